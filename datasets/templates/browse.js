"use strict";
// The viewer of one scene: steps through its views, draws over them, and turns the plot of the camera poses.

const scene = JSON.parse(document.getElementById("scene").textContent);
const byId = (id) => document.getElementById(id);
const count = scene.views.length;
let current = 0;

function select(view) {
  current = ((view % count) + count) % count;
  const told = scene.views[current];
  byId("image").src = `${scene.folder}/${current}.jpg`;
  byId("which").textContent = `view ${current} of 0–${count - 1}`;
  history.replaceState(null, "", `#${current}`);
  showMask();
  showMarks();
  showFacts(told);
  showMeasures();
  markStrip();
  drawPoses();
  new Image().src = `${scene.folder}/${(current + 1) % count}.jpg`;
}

// Overlays

function showMask() {
  const mask = byId("mask");
  if (!mask) return;
  mask.hidden = !byId("show_masks").checked;
  if (!mask.hidden) mask.src = `${scene.folder}/${current}_mask.png`;
}

function showMarks() {
  const told = scene.views[current];
  const shown = byId("show_grid")?.checked && told.grid !== undefined;
  byId("marks").replaceChildren(...(shown ? [path("grid", told.grid), ...told.axes.map((d, i) => path("xyz"[i], d))] : []));
}

function path(name, d) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", "path");
  element.setAttribute("class", name);
  element.setAttribute("d", d);
  return element;
}

// Facts and quality of the view

function showFacts(told) {
  const facts = {};
  if (told.number !== undefined) facts.viewpoint = told.number;
  if (told.stamp !== undefined) facts.taken = told.stamp;
  if (told.since !== undefined) facts["since the first"] = `${told.since.toFixed(1)} s`;
  if (told.position) facts["camera at"] = told.position.map((x) => x.toFixed(3)).join(", ") + " m";
  const rows = Object.entries(facts).map(([name, value]) => {
    const row = document.createElement("div");
    row.append(text("dt", name), text("dd", value));
    return row;
  });
  byId("about_view").hidden = rows.length === 0;
  byId("about_view").replaceChildren(...rows);
}

function text(tag, content) {
  const element = document.createElement(tag);
  element.textContent = content;
  return element;
}

function showMeasures() {
  const box = byId("measures");
  if (!box) return;
  box.replaceChildren(text("h3", "Quality"), ...scene.quality.flatMap((name, i) => {
    const values = scene.views.map((view) => view.quality[i]);
    const label = document.createElement("div");
    label.append(text("span", name.replaceAll("_", " ")), text("b", values[current] ?? "–"));
    return [label, chart(values)];
  }));
}

function chart(values) {
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known), range = Math.max(...known) - low || 1;
  const x = (view) => (count > 1 ? (100 * view) / (count - 1) : 50);
  const y = (value) => 28 - (26 * (value - low)) / range;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 30");
  svg.setAttribute("preserveAspectRatio", "none");
  let pen = "M";
  svg.append(path("", values.map((value, view) => {
    if (value === null) { pen = "M"; return ""; }
    const part = `${pen}${x(view).toFixed(2)} ${y(value).toFixed(2)}`;
    pen = "L";
    return part;
  }).join("")));
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [name, value] of Object.entries({ x1: x(current), x2: x(current), y1: 0, y2: 30 })) line.setAttribute(name, value);
  svg.append(line);
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    select(Math.round(((event.clientX - box.left) / box.width) * (count - 1)));
  });
  return svg;
}

function markStrip() {
  for (const link of byId("strip").children) link.classList.toggle("current", Number(link.dataset.view) === current);
  const strip = byId("strip"), link = strip.children[current];
  strip.scrollLeft = link.offsetLeft - strip.offsetLeft - (strip.clientWidth - link.clientWidth) / 2;
}

// The plot of the camera poses: a perspective view that turns about the world's z axis

const canvas = byId("poses");
const turn = { azimuth: -0.9, elevation: 0.55 };

function viewpoint(width, height) {
  const centres = scene.world.frusta.map((frustum) => frustum[0]);
  const top = Math.max(...centres.map((p) => p[2]));
  const reach = Math.max(...centres.map((p) => Math.hypot(p[0], p[1], p[2] - top / 2)), 1e-6);
  const [ca, sa, ce, se] = [Math.cos(turn.azimuth), Math.sin(turn.azimuth), Math.cos(turn.elevation), Math.sin(turn.elevation)];
  const distance = 4.2 * reach, scale = 0.5 * Math.min(width, height) * (distance / reach);
  return ([x, y, z]) => {
    const right = ca * y - sa * x, towards = ca * x + sa * y, up = z - top * 0.36;
    const depth = distance - (ce * towards + se * up);
    return [width / 2 + (scale * right) / depth, height / 2 - (scale * (ce * up - se * towards)) / depth, depth];
  };
}

function drawPoses() {
  if (!canvas) return;
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d"), see = viewpoint(width, height), style = getComputedStyle(document.body);
  const colour = (name) => style.getPropertyValue(name).trim();
  pen.scale(ratio, ratio);
  pen.lineJoin = "round";
  const draw = (points, stroke, thickness, fill) => {
    pen.beginPath();
    points.forEach((point, i) => pen[i ? "lineTo" : "moveTo"](...see(point).slice(0, 2)));
    if (fill) { pen.fillStyle = fill; pen.fill(); }
    pen.strokeStyle = stroke;
    pen.lineWidth = thickness;
    pen.stroke();
  };
  for (const line of scene.world.grid) draw(line, `${colour("--muted")}70`, 1);
  scene.world.axes.forEach((axis, i) => draw(axis, ["#e5342a", "#17a04a", "#3b6cf0"][i], 2.5));
  draw(scene.world.frusta.map((frustum) => frustum[0]), colour("--line"), 1);
  for (const object of scene.world.objects) {
    draw([[object.position[0], object.position[1], 0], object.position], object.colour, 1);
    const [x, y] = see(object.position);
    pen.beginPath();
    pen.arc(x, y, 4.5, 0, 2 * Math.PI);
    pen.fillStyle = object.colour;
    pen.fill();
  }
  const order = scene.world.frusta.map((_, view) => view).sort((a, b) => depthOf(see, b) - depthOf(see, a));
  for (const view of order) drawFrustum(draw, scene.world.frusta[view], shade(view), view === current ? colour("--second") : null);
}

function depthOf(see, view) {
  return view === current ? -1 : see(scene.world.frusta[view][0])[2];
}

function drawFrustum(draw, [centre, ...corners], colour, mark) {
  const line = mark ?? colour;
  for (let i = 0; i < 4; i++) draw([centre, corners[i], corners[(i + 1) % 4], centre], line, mark ? 1.8 : 0.9);
  draw([...corners, corners[0]], line, mark ? 2.2 : 1.1, line.startsWith("rgb(") ? line.replace(")", ", .3)").replace("rgb", "rgba") : `${line}66`);
}

function shade(view) {  // first view violet, last view yellow-green; readable on light and on dark
  const t = count > 1 ? view / (count - 1) : 0;
  const stops = [[126, 87, 194], [38, 128, 178], [46, 165, 110], [178, 178, 40]];
  const i = Math.min(2, Math.floor(3 * t)), u = 3 * t - i;
  return `rgb(${stops[i].map((c, k) => Math.round(c + u * (stops[i + 1][k] - c))).join(", ")})`;
}

function nearestCamera(event) {
  const box = canvas.getBoundingClientRect(), see = viewpoint(canvas.clientWidth, canvas.clientHeight);
  const away = scene.world.frusta.map((frustum) => {
    const middle = [0, 1, 2].map((k) => frustum.reduce((sum, point) => sum + point[k], 0) / frustum.length);
    const [x, y] = see(middle);
    return Math.hypot(x - (event.clientX - box.left), y - (event.clientY - box.top));
  });
  const nearest = away.indexOf(Math.min(...away));
  return away[nearest] < 24 ? nearest : null;
}

if (canvas) {
  let held = null;
  canvas.addEventListener("pointerdown", (event) => {
    held = { x: event.clientX, y: event.clientY, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return;
    const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
    if (!held.moved && Math.hypot(dx, dy) < 4) return;
    turn.azimuth -= dx / 130;
    turn.elevation = Math.min(1.55, Math.max(-0.1, turn.elevation + dy / 130));
    held = { x: event.clientX, y: event.clientY, moved: true };
    drawPoses();
  });
  canvas.addEventListener("pointerup", (event) => {
    const clicked = held && !held.moved ? nearestCamera(event) : null;
    held = null;
    if (clicked !== null) select(clicked);
  });
  canvas.addEventListener("pointercancel", () => { held = null; });
  window.addEventListener("resize", drawPoses);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawPoses);
}

// Stepping

byId("back").addEventListener("click", () => select(current - 1));
byId("forth").addEventListener("click", () => select(current + 1));
byId("show_masks")?.addEventListener("change", showMask);
byId("show_grid")?.addEventListener("change", showMarks);
byId("strip").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  select(Number(link.dataset.view));
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const steps = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: count - 1 };
  const boxes = { m: "show_masks", g: "show_grid" };
  if (event.key in steps) {
    event.preventDefault();
    select(steps[event.key]);
  } else if (event.key.toLowerCase() in boxes) {
    byId(boxes[event.key.toLowerCase()])?.click();
  }
});
if (scene.width < 320) for (const image of document.querySelectorAll(".picture img")) image.classList.add("coarse");
if (byId("show_grid")) byId("show_grid").checked = true;
select(parseInt(location.hash.slice(1), 10) || 0);
