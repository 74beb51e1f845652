"""A calibration on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lds_cli.console import console, noted_table

if TYPE_CHECKING:
    from capture.calibration.calibration import HandEye, IntrinsicsResult
    from capture.calibration.verdict import Verdict
    from capture.calibration.verification import Verification


def show_intrinsics(result: IntrinsicsResult) -> None:
    """A lens in numbers and words."""
    K, distortion = result.lens.K, result.lens.distortion
    rows = [
        ("focal length", f"{K[0, 0]:.2f}, {K[1, 1]:.2f} px", f"\u00b1 {result.focal_std:.2f}"),
        ("principal point", f"{K[0, 2]:.2f}, {K[1, 2]:.2f} px", f"\u00b1 {result.center_std:.2f}"),
        ("distortion", f"k1 {distortion[0]:.4f}, k2 {distortion[1]:.4f}", ""),
        ("corners off by", f"{result.rms:.3f} px", f"{result.held_out_rms:.3f} px in views held out"),
        ("views", f"{result.views}", f"of {result.lens.width} x {result.lens.height} pixels"),
    ]
    console.print(noted_table(rows))
    _show_verdict(result.verdict)


def show_hand_eye(result: HandEye, simulated: bool) -> None:
    """A hand-eye calibration in numbers and words; a simulated one beside the truth."""
    from scipy.spatial.transform import Rotation

    T = result.T_tool_camera
    degrees = Rotation.from_matrix(T[:3, :3]).as_euler("ZYX", degrees=True)
    rows = [
        ("camera on the tool", ", ".join(f"{1000 * length:.1f}" for length in T[:3, 3]) + " mm", "x, y, z"),
        ("turned by", ", ".join(f"{angle:.2f}" for angle in degrees) + " deg", "about z, y, x"),
        ("corners off by", f"{result.rms:.2f} px", "through arm and hand-eye"),
        (
            "standard error",
            f"{result.leave_one_out_deg:.3f} deg, {result.leave_one_out_mm:.2f} mm",
            "leaving views out",
        ),
        (
            "solvers differ by",
            f"{result.solver_deg:.3f} deg, {result.solver_mm:.2f} mm",
            "Tsai, Park, Daniilidis, Shah",
        ),
        ("views", f"{result.views}", ""),
    ]
    if simulated:
        from capture.calibration.poses import difference
        from capture.simulation.truth import T_TOOL_CAMERA

        angle, distance = difference(T, T_TOOL_CAMERA)
        rows.append(("off the truth by", f"{angle:.3f} deg, {distance:.2f} mm", "which only a simulation tells"))
    console.print(noted_table(rows))
    _show_verdict(result.verdict)


def show_verification(result: Verification, now: HandEye) -> None:
    """What the new views `now` say of an earlier hand-eye calibration."""
    rows = [
        ("camera moved by", f"{result.moved[0]:.3f} deg, {result.moved[1]:.2f} mm", "since the calibration"),
        ("known to", f"{result.known_to[0]:.3f} deg, {result.known_to[1]:.2f} mm", "standard error"),
        ("corners off by", f"{now.rms:.2f} px", "through arm and camera as they are now"),
        ("views", f"{now.views}", ""),
    ]
    console.print(noted_table(rows))
    _show_verdict(result.verdict)


def _show_verdict(verdict: Verdict) -> None:
    colour = {"good": "green", "usable": "yellow", "bad": "red"}[verdict.grade]
    console.print(f"[bold {colour}]{verdict.grade}[/]")
    for reason in verdict.reasons:
        console.print(f"  - {reason}", soft_wrap=True, markup=False)
