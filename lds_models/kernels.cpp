// What the networks do between their convolutions, one pass over memory for each, on bf16 or float32 tensors laid out
// channels last. compiled.py compiles this file, and says what the functions take.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

constexpr int LANES = 16;  // numbers worked on at a time: one register of AVX-512, two of AVX2

struct Shape {
  int64_t images, pixels, channels;
  int threads;
};

namespace {

using Floats = float __attribute__((vector_size(4 * LANES)));
using Integers = int32_t __attribute__((vector_size(4 * LANES)));
using Words = uint32_t __attribute__((vector_size(4 * LANES)));
using Halves = uint16_t __attribute__((vector_size(2 * LANES)));
using BF16 = uint16_t;  // the upper half of a float's bits

template <typename Vector, typename T>
Vector read(const T* from, int count) {
  Vector values{};
  if (count == LANES) std::memcpy(&values, from, sizeof values);
  else std::memcpy(&values, from, count * sizeof *from);
  return values;
}

template <typename Vector, typename T>
void write(T* to, Vector values, int count) {
  if (count == LANES) std::memcpy(to, &values, sizeof values);
  else std::memcpy(to, &values, count * sizeof *to);
}

// The first `count` numbers, the others 0.
Floats load(const float* from, int count = LANES) { return read<Floats>(from, count); }

Floats load(const BF16* from, int count = LANES) {
#ifdef __AVX512F__
  const Words bits = (Words)_mm512_cvtepu16_epi32((__m256i)read<Halves>(from, count));
#else
  const Words bits = __builtin_convertvector(read<Halves>(from, count), Words);
#endif
  return (Floats)(bits << 16);
}

void store(float* to, Floats values, int count = LANES) { write(to, values, count); }

// Rounds to nearest, ties to even; a NaN stays one.
void store(BF16* to, Floats values, int count = LANES) {
#ifdef __AVX512BF16__
  write(to, (Halves)_mm512_cvtneps_pbh((__m512)values), count);
#else
  const Words bits = (Words)values;
  const Words rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  write(to, __builtin_convertvector(values == values ? rounded : Words{} + 0x7fc0, Halves), count);
#endif
}

Floats all(float value) { return Floats{} + value; }

float number(float value) { return value; }

float number(BF16 value) {
  const uint32_t bits = uint32_t(value) << 16;
  float number;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

// The sum over `rows` of what `term` makes of each; four sums at once, since one addition waits for the last.
template <typename Term>
auto sum(int64_t rows, Term term) {
  decltype(term(0)) sums[4] = {};
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4)
    for (int i = 0; i < 4; ++i) sums[i] += term(row + i);
  for (; row < rows; ++row) sums[0] += term(row);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// exp(x) for x <= 0, to a relative 1e-7: 2^n exp(r) with |r| <= log(2) / 2, and the series of exp for the latter.
Floats exp_negative(Floats x) {
  x = x > -87.0f ? x : all(-87.0f);
  x = x < 0 ? x : Floats{};
  const Floats magic = all(12582912.0f);  // 1.5 * 2^23: adding it rounds to whole numbers
  const Floats n = (x * 1.44269504f + magic) - magic;
  const Floats r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
  const Floats series =
      1 + r * (1 + r * (0.5f + r * (1 / 6.f + r * (1 / 24.f + r * (1 / 120.f + r * (1 / 720.f))))));
  return (Floats)((Words)series + ((Words)__builtin_convertvector(n, Integers) << 23));
}

template <typename T, typename Function>
void map(T* x, int64_t count, int threads, Function function) {
  const int64_t whole = count / LANES * LANES;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t i = 0; i < whole; i += LANES) store(x + i, function(load(x + i)));
  const int rest = count - whole;
  store(x + whole, function(load(x + whole, rest)), rest);
}

template <typename T>
void activate(T* x, int64_t count, float alpha, int threads) {
  // Compared so that a NaN stays one.
  if (alpha == 0) map(x, count, threads, [](Floats value) { return value <= 0 ? Floats{} : value; });
  else map(x, count, threads, [=](Floats value) { return value <= 0 ? alpha * (exp_negative(value) - 1) : value; });
}

// work(start, count, channel, lanes) for all of an image: `count` pixels from the number at `start` on, and `lanes`
// channels. So few pixels at a time that the next channels find them in the nearest cache.
template <typename Work>
void in_pieces(Shape shape, int64_t image, Work work) {
  constexpr int64_t PIECE = 64;
  for (int64_t pixel = 0; pixel < shape.pixels; pixel += PIECE)
    for (int64_t c = 0; c < shape.channels; c += LANES) {
      const int64_t start = (image * shape.pixels + pixel) * shape.channels + c;
      const int64_t count = std::min(PIECE, shape.pixels - pixel), left = shape.channels - c;
      if (left >= LANES) work(start, count, c, std::integral_constant<int, LANES>{});
      else work(start, count, c, int(left));
    }
}

// totals[c] += `values`
void add(float* totals, Floats values, int lanes) { store(totals, load(totals, lanes) + values, lanes); }

// by_input may be grad. sums [images,channels] are by_input's, over pixels.
template <typename T, typename Slope>
void map_backward(const T* grad, const T* out, T* by_input, float* sums, Shape shape, Slope slope) {
#pragma omp parallel for num_threads(shape.threads) schedule(static)
  for (int64_t image = 0; image < shape.images; ++image) {
    float* totals = sums + image * shape.channels;
    std::fill_n(totals, shape.channels, 0.f);
    in_pieces(shape, image, [&](int64_t start, int64_t count, int64_t c, auto lanes) {
      add(totals + c, sum(count, [&](int64_t pixel) {
            const int64_t at = start + pixel * shape.channels;
            const Floats value = load(out + at, lanes), upstream = load(grad + at, lanes);
            const Floats passed = value <= 0 ? upstream * slope(value) : upstream;
            store(by_input + at, passed, lanes);
            return passed;
          }), lanes);
    });
  }
}

template <typename T>
void activate_backward(const T* grad, const T* out, T* by_input, float* sums, Shape shape, float alpha) {
  if (alpha == 0) map_backward(grad, out, by_input, sums, shape, [](Floats) { return Floats{}; });
  else map_backward(grad, out, by_input, sums, shape, [=](Floats value) { return value + alpha; });
}

// Backward through a 1x1 convolution to OUTPUTS channels and the activation before it, which put out x.
// grad [images,pixels,OUTPUTS], weight [OUTPUTS,channels]; each image's part of the gradients by the parameters is
// written to by_weights [images,OUTPUTS,channels] and by_biases [images,OUTPUTS]; by_input and sums as above.
template <int OUTPUTS, typename T, typename Slope>
void head_backward_of(const T* grad, const T* x, const float* weight, T* by_input, float* sums, float* by_weights,
                      float* by_biases, Shape shape, Slope slope) {
#pragma omp parallel for num_threads(shape.threads) schedule(static)
  for (int64_t image = 0; image < shape.images; ++image) {
    float *totals = sums + image * shape.channels, *by_bias = by_biases + image * OUTPUTS;
    float* by_weight = by_weights + image * OUTPUTS * shape.channels;
    std::fill_n(totals, shape.channels, 0.f);
    std::fill_n(by_weight, OUTPUTS * shape.channels, 0.f);
    in_pieces(shape, image, [&](int64_t start, int64_t count, int64_t c, auto lanes) {
      Floats weights[OUTPUTS], products[OUTPUTS] = {}, total{};
      for (int k = 0; k < OUTPUTS; ++k) weights[k] = load(weight + k * shape.channels + c, lanes);
      const T* upstream = grad + (start - c) / shape.channels * OUTPUTS;
      for (int64_t at = start; at < start + count * shape.channels; at += shape.channels, upstream += OUTPUTS) {
        const Floats value = load(x + at, lanes);
        Floats by_value{};
        for (int k = 0; k < OUTPUTS; ++k) {
          const Floats gradient = all(number(upstream[k]));
          by_value += gradient * weights[k];
          products[k] += gradient * value;
        }
        const Floats passed = value <= 0 ? by_value * slope(value) : by_value;
        store(by_input + at, passed, lanes);
        total += passed;
      }
      add(totals + c, total, lanes);
      for (int k = 0; k < OUTPUTS; ++k) add(by_weight + k * shape.channels + c, products[k], lanes);
    });
    const T* upstream = grad + image * shape.pixels * OUTPUTS;
    for (int k = 0; k < OUTPUTS; ++k)
      by_bias[k] = sum(shape.pixels, [=](int64_t pixel) { return number(upstream[pixel * OUTPUTS + k]); });
  }
}

template <typename T>
void head_backward(const T* grad, const T* x, const float* weight, T* by_input, float* sums, float* by_weights,
                   float* by_biases, Shape shape, int outputs, float alpha) {
  const auto relu = [](Floats) { return Floats{}; };
  const auto elu = [=](Floats value) { return value + alpha; };
  const auto run = [&](auto count) {
    constexpr int OUTPUTS = decltype(count)::value;
    if (alpha == 0)
      head_backward_of<OUTPUTS>(grad, x, weight, by_input, sums, by_weights, by_biases, shape, relu);
    else head_backward_of<OUTPUTS>(grad, x, weight, by_input, sums, by_weights, by_biases, shape, elu);
  };
  if (outputs == 3) run(std::integral_constant<int, 3>{});
  else run(std::integral_constant<int, 4>{});
}

// means and inverse_stds are [images,channels].
template <typename T>
void norm_relu(const T* x, const float* weight, const float* bias, T* out, float* means, float* inverse_stds,
               Shape shape, float eps) {
#pragma omp parallel for num_threads(shape.threads) schedule(static)
  for (int64_t image = 0; image < shape.images; ++image) {
    float *mean = means + image * shape.channels, *inverse_std = inverse_stds + image * shape.channels;
    std::fill_n(mean, shape.channels, 0.f);
    std::fill_n(inverse_std, shape.channels, 0.f);
    in_pieces(shape, image, [&](int64_t start, int64_t count, int64_t c, auto lanes) {
      const auto value = [&](int64_t pixel) { return load(x + start + pixel * shape.channels, lanes); };
      add(mean + c, sum(count, value), lanes);
    });
    for (int64_t c = 0; c < shape.channels; ++c) mean[c] /= shape.pixels;
    in_pieces(shape, image, [&](int64_t start, int64_t count, int64_t c, auto lanes) {
      const Floats middle = load(mean + c, lanes);
      const auto square = [&](int64_t pixel) {
        const Floats centred = load(x + start + pixel * shape.channels, lanes) - middle;
        return centred * centred;
      };
      add(inverse_std + c, sum(count, square), lanes);
    });
    for (int64_t c = 0; c < shape.channels; ++c) inverse_std[c] = 1 / std::sqrt(inverse_std[c] / shape.pixels + eps);
    in_pieces(shape, image, [&](int64_t start, int64_t count, int64_t c, auto lanes) {
      const Floats middle = load(mean + c, lanes), shift = load(bias + c, lanes);
      const Floats scale = load(inverse_std + c, lanes) * load(weight + c, lanes);
      for (int64_t at = start; at < start + count * shape.channels; at += shape.channels) {
        const Floats normalised = (load(x + at, lanes) - middle) * scale + shift;
        store(out + at, normalised <= 0 ? Floats{} : normalised, lanes);
      }
    });
  }
}

// by_weights and by_biases [images,channels] are each image's part.
template <typename T>
void norm_relu_backward(const T* grad, const T* x, const T* out, const float* weight, const float* means,
                        const float* inverse_stds, T* by_x, float* by_weights, float* by_biases, Shape shape) {
#pragma omp parallel for num_threads(shape.threads) schedule(static)
  for (int64_t image = 0; image < shape.images; ++image) {
    const float *mean = means + image * shape.channels, *inverse_std = inverse_stds + image * shape.channels;
    float *by_weight = by_weights + image * shape.channels, *by_bias = by_biases + image * shape.channels;
    const auto active = [&](int64_t at, auto lanes) {
      const Floats upstream = load(grad + at, lanes);
      return load(out + at, lanes) <= 0 ? Floats{} : upstream;
    };
    std::fill_n(by_weight, shape.channels, 0.f);
    std::fill_n(by_bias, shape.channels, 0.f);
    in_pieces(shape, image, [&](int64_t start, int64_t count, int64_t c, auto lanes) {
      const Floats middle = load(mean + c, lanes);
      Floats total{};
      const auto product = [&](int64_t pixel) {
        const int64_t at = start + pixel * shape.channels;
        const Floats upstream = active(at, lanes);
        total += upstream;
        return upstream * (load(x + at, lanes) - middle);
      };
      add(by_weight + c, sum(count, product), lanes);
      add(by_bias + c, total, lanes);
    });
    for (int64_t c = 0; c < shape.channels; ++c) by_weight[c] *= inverse_std[c];
    // scale (g - mean g - x^ mean(g x^)), x^ the normalised input (Ioffe & Szegedy 2015, section 3)
    in_pieces(shape, image, [&](int64_t start, int64_t count, int64_t c, auto lanes) {
      const Floats middle = load(mean + c, lanes), inverse = load(inverse_std + c, lanes);
      const Floats scale = inverse * load(weight + c, lanes);
      const Floats slope = scale * inverse * load(by_weight + c, lanes) / float(shape.pixels);
      const Floats constant = scale * load(by_bias + c, lanes) / float(shape.pixels);
      for (int64_t at = start; at < start + count * shape.channels; at += shape.channels)
        store(by_x + at, scale * active(at, lanes) - constant - slope * (load(x + at, lanes) - middle), lanes);
    });
  }
}

// joined [images,2h,2w,channels + others] = low [images,h,w,channels], each pixel twice as wide and high, beside
// skip [images,2h,2w,others]. `low_shape` is low's, `width` w.
template <typename T>
void join(const T* low, const T* skip, T* joined, Shape low_shape, int64_t width, int64_t others) {
  const int64_t channels = low_shape.channels, rows = low_shape.images * low_shape.pixels / width;
#pragma omp parallel for num_threads(low_shape.threads) schedule(static)
  for (int64_t row = 0; row < 2 * rows; ++row)
    for (int64_t column = 0; column < 2 * width; ++column) {
      const int64_t pixel = row * 2 * width + column;
      T* to = joined + pixel * (channels + others);
      std::copy_n(low + (row / 2 * width + column / 2) * channels, channels, to);
      std::copy_n(skip + pixel * others, others, to + channels);
    }
}

template <typename T>
void join_backward(const T* grad, T* by_low, T* by_skip, Shape low_shape, int64_t width, int64_t others) {
  const int64_t channels = low_shape.channels, rows = low_shape.images * low_shape.pixels / width;
#pragma omp parallel for num_threads(low_shape.threads) schedule(static)
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < width; ++column) {
      const int64_t corner = 2 * row * 2 * width + 2 * column;
      const int64_t pixels[] = {corner, corner + 1, corner + 2 * width, corner + 2 * width + 1};
      for (int64_t c = 0; c < channels; c += LANES) {
        const int lanes = std::min<int64_t>(LANES, channels - c);
        Floats total{};
        for (const int64_t pixel : pixels) total += load(grad + pixel * (channels + others) + c, lanes);
        store(by_low + (row * width + column) * channels + c, total, lanes);
      }
      for (const int64_t pixel : pixels)
        std::copy_n(grad + pixel * (channels + others) + channels, others, by_skip + pixel * others);
    }
}

}  // namespace

#define EXPORT(name, T)                                                                                               \
  void activate_##name(T* x, int64_t count, float alpha, int threads) { activate(x, count, alpha, threads); }         \
  void activate_backward_##name(const T* grad, const T* out, T* by_input, float* sums, Shape shape, float alpha) {    \
    activate_backward(grad, out, by_input, sums, shape, alpha);                                                       \
  }                                                                                                                   \
  void head_backward_##name(const T* grad, const T* x, const float* weight, T* by_input, float* sums,                 \
                            float* by_weights, float* by_biases, Shape shape, int outputs, float alpha) {             \
    head_backward(grad, x, weight, by_input, sums, by_weights, by_biases, shape, outputs, alpha);                     \
  }                                                                                                                   \
  void norm_relu_##name(const T* x, const float* weight, const float* bias, T* out, float* means, float* inverse_stds,\
                        Shape shape, float eps) {                                                                     \
    norm_relu(x, weight, bias, out, means, inverse_stds, shape, eps);                                                 \
  }                                                                                                                   \
  void norm_relu_backward_##name(const T* grad, const T* x, const T* out, const float* weight, const float* means,    \
                                 const float* inverse_stds, T* by_x, float* by_weight, float* by_bias, Shape shape) { \
    norm_relu_backward(grad, x, out, weight, means, inverse_stds, by_x, by_weight, by_bias, shape);                   \
  }                                                                                                                   \
  void join_##name(const T* low, const T* skip, T* joined, Shape low_shape, int64_t width, int64_t others) {          \
    join(low, skip, joined, low_shape, width, others);                                                                \
  }                                                                                                                   \
  void join_backward_##name(const T* grad, T* by_low, T* by_skip, Shape low_shape, int64_t width, int64_t others) {   \
    join_backward(grad, by_low, by_skip, low_shape, width, others);                                                   \
  }

extern "C" {
EXPORT(float32, float)
EXPORT(bfloat16, BF16)
}
