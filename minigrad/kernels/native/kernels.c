/* Loops over float32 arrays for which numpy passes several times over memory, in one pass each.
 *
 * Every function here has a twin in numpy, which does the work where this file was not compiled; minigrad/kernels/native/__init__.py says
 * how one is chosen. Arrays are in one piece. A function works on what it is given and on nothing else: Python cuts the work into parts,
 * by shapes alone, and calls it from several threads, so results do not depend on the number of threads.
 *
 * Sums go into the lanes of a vector, which are added up in a fixed order. The file is compiled without -ffast-math: NaN and infinities
 * go where they go in numpy. It is compiled once for each level of instructions (LEVEL; NAME gives a
 * function's name the level's suffix) and once for what belongs to none (DISPATCH).
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h>
#endif

#define JOIN(name, level) minigrad_##name##_##level
#define EXPAND(name, level) JOIN(name, level)
#define NAME(name) EXPAND(name, LEVEL)

typedef int64_t Long;
enum { BLOCK = 512 };
/* As many numbers as the processor's vectors hold; and the places of every second one in two vectors, and
 * of two vectors' numbers in turn. */
#if defined(__AVX512F__)
#define LANES 16
#define ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif defined(__AVX__)
#define LANES 8
#define ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15
#else
#define LANES 4
#define ZIP_LOW 0, 4, 1, 5
#define ZIP_HIGH 2, 6, 3, 7
#define EVENS 0, 2, 4, 6
#define ODDS 1, 3, 5, 7
#endif
/* Before a loop whose count is known when it is compiled: UNROLLED writes it out, so that the arrays that it indexes are registers (clang does what
 * `GCC unroll` asks for only after it has put them into memory); INDEPENDENT says that its rounds do not write what others read. */
#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (Bits){__VA_ARGS__})
#define UNROLLED _Pragma("GCC unroll 24")
#define INDEPENDENT _Pragma("GCC ivdep")
#endif
typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef float Four __attribute__((vector_size(16)));
typedef int32_t Bits __attribute__((vector_size(4 * LANES)));

#ifdef LEVEL
static inline Long least(Long a, Long b) { return a < b ? a : b; }
static inline Long most(Long a, Long b) { return a > b ? a : b; }

static inline Vector load(const float *from) { Vector v; memcpy(&v, from, sizeof v); return v; }
static inline void store(float *to, Vector v) { memcpy(to, &v, sizeof v); } /* of a copy: else an array of sums would have to be in memory */
static inline Vector all(float x) { return x - (Vector){0}; } /* -0 too; gcc fills a vector lane by lane with an instruction for each */

#if defined(__AVX__) && !defined(__AVX512F__)
/* All bits of the first `count` numbers of a vector. */
static inline Bits first_of(Long count) {
    static const int32_t ones[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
    Bits b;
    memcpy(&b, ones + LANES - count, sizeof b);
    return b;
}
#endif

/* The first `count` numbers of a vector from memory, and `rest` for the others. */
static inline Vector load_some(const float *from, Long count, float rest) {
#if defined(__AVX512F__)
    return (Vector)_mm512_mask_loadu_ps((__m512)all(rest), (__mmask16)((1u << count) - 1), from); /* a call of memcpy takes ten times as long */
#elif defined(__AVX__)
    Bits first = first_of(count), others = ~first, given, more;
    Vector v = (Vector)_mm256_maskload_ps(from, (__m256i)first), filler = all(rest);
    memcpy(&given, &v, sizeof v);
    memcpy(&more, &filler, sizeof filler);
    given |= more & others;
    memcpy(&v, &given, sizeof v);
    return v;
#else
    Vector v = all(rest);
    memcpy(&v, from, 4 * count);
    return v;
#endif
}

/* The first `count` numbers of a vector to memory. */
static inline void store_some(float *to, Vector v, Long count) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)v);
#elif defined(__AVX__)
    _mm256_maskstore_ps(to, (__m256i)first_of(count), (__m256)v);
#else
    memcpy(to, &v, 4 * count);
#endif
}

/* The same vector, in a register: gcc loads what several products share once for each of them, and loads across cache lines take two clocks. */
static inline Vector in_register(Vector v) {
#if defined(__AVX512F__)
    __asm__("" : "+v"(v));
#elif defined(__x86_64__)
    __asm__("" : "+x"(v));
#elif defined(__aarch64__)
    __asm__("" : "+w"(v));
#endif
    return v;
}

/* Bytes to numbers and back: loops, which become an instruction each; gcc 12 does __builtin_convertvector number by number. */
static inline Bits widened(const uint8_t *from) {
    int32_t numbers[LANES];
    Bits v;
    for (int i = 0; i < LANES; i++) numbers[i] = from[i];
    memcpy(&v, numbers, sizeof v);
    return v;
}
static inline void narrow(Bits v, uint8_t *to) {
    int32_t numbers[LANES];
    memcpy(numbers, &v, sizeof v);
    for (int i = 0; i < LANES; i++) to[i] = (uint8_t)numbers[i];
}

static inline Bits either(Bits mask, Bits a, Bits b) { return (mask & a) | (~mask & b); }

static inline float add_lanes(Vector v) {
    Four s[LANES / 4];
    memcpy(s, &v, sizeof s);
    for (int half = LANES / 8; half; half /= 2)
        for (int i = 0; i < half; i++) s[i] += s[i + half];
    return (s[0][0] + s[0][2]) + (s[0][1] + s[0][3]);
}

/* A sum over a row of n numbers: of floats within a block, of doubles between blocks. `whole` is the term of the vector at i, `part` that
 * of the `left` numbers behind the last whole one. Every second vector has a sum of its own: an addition waits for the one before. */
#define SUM(result, n, whole, part)                                                    \
    do {                                                                               \
        result = 0.0;                                                                  \
        for (Long start = 0; start < (n); start += BLOCK) {                            \
            Long i = start, end = (n)-start < BLOCK ? (n) : start + BLOCK;             \
            Vector lanes = all(0.0f), others = lanes;                                  \
            for (; i + 2 * LANES <= end; i += LANES) {                                 \
                lanes += whole;                                                        \
                i += LANES;                                                            \
                others += whole;                                                       \
            }                                                                          \
            for (; i + LANES <= end; i += LANES) lanes += whole;                       \
            if (i < end) { Long left = end - i; others += part; }                      \
            result += add_lanes(lanes + others);                                       \
        }                                                                              \
    } while (0)

/* e**x: x = n ln 2 + r with |r| <= ln 2 / 2, and a polynomial in r, right to 3e-9, for e**r. inf for large x, 0 below -87, NaN for NaN.
 * Adding `magic`, 1.5 * 2**23 + 126, rounds to an integer: n + 126 is then in the low bits, which are the exponent of 2**(n - 1). */
static inline float exp_or_less(float x, const int less) {
    const float magic = 12583038.0f;
    x = x > 89.0f ? 89.0f : x;
    x = x < -87.5f ? -87.5f : x;
    float t = x * 1.44269504f + magic, n = t - magic;
    float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.38144615e-3f;
    p = p * r + 8.36878084e-3f;
    p = p * r + 4.16683927e-2f;
    p = p * r + 1.66665196e-1f;
    p = p * r + 0.49999994f;
    p = (p * r) * r + r;
    uint32_t bits;
    memcpy(&bits, &t, 4);
    bits <<= 23;
    float power;
    memcpy(&power, &bits, 4);
    return less ? p * (power * 2.0f) + (power * 2.0f - 1.0f) : (p + 1.0f) * power * 2.0f;
}

static inline float exp_(float x) { return exp_or_less(x, 0); }
/* e**x - 1, of x up to 88: near 0 the polynomial without its 1. */
static inline float exp_less_one(float x) { return exp_or_less(x, 1); }

/* The same of each number of a vector; of numbers up to 0, or NaN. The low bits are the exponent of 2**n. */
static inline Vector exp_of_negative(Vector x) {
    const float magic = 12583039.0f;
    Bits small = x < -88.0f, bits;
    Vector t = x * 1.44269504f + magic, n = t - magic;
    Vector r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    Vector p = r * 1.38144615e-3f + 8.36878084e-3f;
    p = p * r + 4.16683927e-2f;
    p = p * r + 1.66665196e-1f;
    p = p * r + 0.49999994f;
    p = (p * r) * r + r + 1.0f;
    memcpy(&bits, &t, sizeof t);
    bits <<= 23;
    memcpy(&t, &bits, sizeof t);
    p *= t;
    memcpy(&bits, &p, sizeof p);
    bits &= ~small;
    memcpy(&p, &bits, sizeof p);
    return p;
}

static inline float sigmoid_(float x) { return 1.0f / (1.0f + exp_(-x)); }

/* ------------------------------------------------------------------------------------------ functions of each element
 * x: the input, y: the result, g: the gradient of the loss in the result; then there may be numbers, the function's options. */

#define OF_X(name, value, ...) \
    void NAME(name)(const float *restrict xs, float *restrict to, Long n, ##__VA_ARGS__) { \
        for (Long i = 0; i < n; i++) { float x = xs[i]; to[i] = value; } \
    }
#define OF_TWO(first, other, name, value, ...) \
    void NAME(name)(const float *restrict firsts, const float *restrict others, float *restrict to, Long n, ##__VA_ARGS__) { \
        for (Long i = 0; i < n; i++) { float first = firsts[i], other = others[i]; to[i] = value; } \
    }
#define OF_G_AND(other, ...) OF_TWO(g, other, __VA_ARGS__)
#define OF_X_AND(other, ...) OF_TWO(x, other, __VA_ARGS__)

OF_X(relu, x <= 0.0f ? 0.0f : x)
OF_G_AND(y, relu_back, y <= 0.0f ? 0.0f : g)
OF_X(sigmoid, sigmoid_(x))
OF_G_AND(y, sigmoid_back, g * (y * (1.0f - y)))
OF_G_AND(y, tanh_back, g * (1.0f - y * y))
OF_X(silu, sigmoid_(x) * x)

static inline float silu_slope(float x) {
    float s = sigmoid_(x);
    return s * (x * (1.0f - s) + 1.0f);
}
OF_G_AND(x, silu_back, g * silu_slope(x))

/* gelu(x) = x (1 / 2 + x P(x**2)), and its slope is 1 / 2 + x Q(x**2): polynomials for |x| up to 5.3 and 6, right to 6e-8, in the variable
 * 2 x**2 / limit**2 - 1 that goes from -1 to 1, so that rounding does not grow. Beyond, the factor of x rounds to 0 or 1. */
static inline float near_half(float x, float limit, const float *c, int degree) {
    float v = x > limit ? limit : x;
    v = v < -limit ? -limit : v;
    float q = v * v * (2.0f / (limit * limit)) - 1.0f, p = c[0];
UNROLLED /* else the loop over numbers is no loop over vectors */
    for (int i = 1; i <= degree; i++) p = p * q + c[i];
    float s = v * p + 0.5f;
    s = x >= limit ? 1.0f : s;
    return x <= -limit ? 0.0f : s;
}
static const float CDF[] = {
    0.000237031447f, -0.000719907403f, 0.000866293965f, -0.00122637302f, 0.00298987143f, -0.00570450537f, 0.00890008453f, -0.013262067f,
    0.0189103652f, -0.0252788533f, 0.0320803262f, -0.0395910293f, 0.0492642596f, -0.0665184408f, 0.133392558f,
};
static const float SLOPE[] = {
    0.00272972486f, -0.0068137343f, 0.00205792906f, 0.0013019701f, 0.0157397818f, -0.0323841125f, 0.0316700414f, -0.0368942544f, 0.0543028265f,
    -0.0654464588f, 0.0669107214f, -0.064410463f, 0.0586859696f, -0.0509186834f, 0.0445564948f, -0.042367056f, 0.0460576452f, -0.0593427643f,
    0.117897764f,
};
OF_X(gelu, near_half(x, 5.3f, CDF, 14) * x)
OF_G_AND(x, gelu_back, g * (near_half(x, 6.0f, SLOPE, 18) + x * 0.0f)) /* NaN at infinity, where the formula multiplies it by 0 */

/* gelu with (1 + tanh(u)) / 2 = sigmoid(2 u) for the probability, u = sqrt(2 / pi) (x + 0.044715 x**3) */
static inline float gelu_tanh_slope(float x) {
    float q = x * x, s = sigmoid_(1.59576912f * x * (q * 0.044715f + 1.0f));
    return s + x * (s * (1.0f - s)) * (q * 0.134145f + 1.0f) * 1.59576912f;
}
OF_X(gelu_tanh, sigmoid_(1.59576912f * x * (x * x * 0.044715f + 1.0f)) * x)
OF_G_AND(x, gelu_tanh_back, g * gelu_tanh_slope(x))

/* positive: whether x is, which is all that backward needs */
void NAME(leaky_relu)(const float *restrict x, float *restrict y, uint8_t *restrict positive, Long n, float slope) {
    for (Long from = 0; from < n; from += 1024) { /* two loops, over what stays in the cache: a compiler for AVX2 packs bytes of a loop of their own */
        Long to = n - from < 1024 ? n : from + 1024;
        for (Long i = from; i < to; i++) positive[i] = x[i] > 0.0f;
        for (Long i = from; i < to; i++) y[i] = x[i] > 0.0f ? x[i] : x[i] * slope;
    }
}

void NAME(leaky_relu_back)(const float *restrict g, const uint8_t *restrict positive, float *restrict d, Long n, float slope) {
    for (Long i = 0; i < n; i++) d[i] = positive[i] ? g[i] : g[i] * slope;
}

/* log(sigmoid(x)) = min(x, 0) - log(1 + e), e = exp(-|x|). log(1 + e) = 2 artanh(e / (2 + e)), a series in the square of the quotient, which
 * is up to 1 / 9. */
static inline float logsigmoid_(float x) {
    float e = exp_(-fabsf(x)), z = e / (2.0f + e), q = z * z, p = 1.0f / 13;
    p = p * q + 1.0f / 11;
    p = p * q + 1.0f / 9;
    p = p * q + 1.0f / 7;
    p = p * q + 0.2f;
    p = p * q + 1.0f / 3;
    return (x < 0.0f ? x : 0.0f) - 2.0f * (z + z * q * p);
}
OF_X(logsigmoid, logsigmoid_(x))
OF_G_AND(x, logsigmoid_back, g * sigmoid_(-x))
/* Cross-entropy of sigmoid(x) with probabilities t; and `share` times its slope, exact where it is near 0: of e = exp(-|x|), which is small there. */
static inline float with_logits_slope(float x, float t) {
    float e = exp_(-fabsf(x)), s = e / (1.0f + e);
    return x > 0.0f ? (1.0f - t) - s : s - t;
}
OF_X_AND(t, with_logits, (1.0f - t) * x - logsigmoid_(x))
OF_X_AND(t, with_logits_slope, with_logits_slope(x, t) * share, float share)
OF_X(softplus, x * beta > threshold ? x : 0.0f - logsigmoid_(-(x * beta)) * inverse, float beta, float threshold, float inverse)
OF_G_AND(x, softplus_back, x * beta > threshold ? g : g * sigmoid_(x * beta), float beta, float threshold)

OF_X(elu, x > 0.0f ? x * scale : exp_less_one(x * rate) * low, float scale, float low, float rate)
OF_G_AND(x, elu_back, g * (x > 0.0f ? scale : exp_(x * rate) * slope), float scale, float slope, float rate)

/* factor times x + add within [low, high]; its slope where that is strictly between */
OF_X(clipped, (x + add < low ? low : x + add > high ? high : x + add) * factor, float low, float high, float add, float factor)
OF_G_AND(y, clipped_back, y > low && y < high ? g * factor : 0.0f, float low, float high, float factor)
OF_X(hardswish, x * ((x + 3.0f < 0.0f ? 0.0f : x + 3.0f > 6.0f ? 6.0f : x + 3.0f) * (1.0f / 6)))
OF_G_AND(x, hardswish_back, x <= -3.0f ? 0.0f : x >= 3.0f ? g : g * (x * (1.0f / 3) + 0.5f))

/* d limited to [-delta, delta], times what is left of d without half of that; and its slope */
static inline float limited(float d, float delta) { return d < -delta ? -delta : d > delta ? delta : d; }
OF_X(huber, (x - limited(x, delta) * 0.5f) * (limited(x, delta) * factor), float delta, float factor)
OF_G_AND(x, huber_back, g * (limited(x, delta) * factor), float delta, float factor)

/* tanh: a polynomial (from S. Moshier's Cephes library) near 0, where 1 - 2 / (e**2x + 1) would lose digits. */
static inline float tanh_(float x) {
    float q = x * x, a = fabsf(x), p = -5.70498872745e-3f;
    p = p * q + 2.06390887954e-2f;
    p = p * q + -5.37397155531e-2f;
    p = p * q + 1.33314422036e-1f;
    p = p * q + -3.33332819422e-1f;
    float large = copysignf(1.0f - 2.0f / (exp_(2.0f * a) + 1.0f), x);
    return a < 0.625f ? x + x * q * p : large;
}

/* ---------------------------------------------------------------------------------------------------- rows of a matrix */

/* The larger ones of two vectors' numbers; b's where one is NaN. */
static inline Vector larger(Vector a, Vector b) {
#if defined(__AVX512F__)
    return (Vector)_mm512_max_ps((__m512)a, (__m512)b); /* one instruction, which gcc does not find */
#else
    Bits from, other;
    memcpy(&from, &a, sizeof a);
    memcpy(&other, &b, sizeof b);
    from = either(a > b, from, other);
    memcpy(&a, &from, sizeof a);
    return a;
#endif
}

/* The largest of n numbers; NaN counts for nothing. */
static inline float row_largest(const float *x, Long n) {
    Vector best = all(-INFINITY), others = best;
    Long i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) best = larger(load(x + i), best), others = larger(load(x + i + LANES), others);
    if (i + LANES <= n) best = larger(load(x + i), best), i += LANES;
    if (i < n) others = larger(load_some(x + i, n - i, -INFINITY), others);
    best = larger(best, others);
    float lanes[LANES];
    memcpy(lanes, &best, sizeof best);
    for (int half = LANES / 2; half; half /= 2)
        for (int k = 0; k < half; k++) lanes[k] = lanes[k + half] > lanes[k] ? lanes[k + half] : lanes[k];
    return lanes[0];
}

static inline double row_sum(const float *x, Long n) {
    double total;
    SUM(total, n, load(x + i), load_some(x + i, left, 0.0f));
    return total;
}

/* The sum of each row. */
void NAME(sums)(const float *restrict x, float *restrict to, Long rows, Long n) {
    for (Long r = 0; r < rows; r++) to[r] = (float)row_sum(x + r * n, n);
}

/* e**(x - m) into y, and their sum. A NaN makes it NaN, and so do an infinite m. */
static inline double row_exp(const float *x, float m, float *y, Long n) {
    double total;
    Vector center = all(m), e;
    SUM(total, n, (e = exp_of_negative(load(x + i) - center), store(y + i, e), e),
        (e = exp_of_negative(load_some(x + i, left, -INFINITY) - center), store_some(y + i, e, left), e));
    return total;
}

void NAME(softmax)(const float *restrict x, float *restrict y, Long rows, Long n) {
    for (Long r = 0; r < rows; r++, x += n, y += n) {
        float share = (float)(1.0 / row_exp(x, row_largest(x, n), y, n));
        for (Long i = 0; i < n; i++) y[i] *= share;
    }
}

void NAME(softmax_back)(const float *restrict g, const float *restrict out, float *restrict d, Long rows, Long n) {
    for (Long r = 0; r < rows; r++, g += n, out += n, d += n) {
        double s;
        SUM(s, n, load(g + i) * load(out + i), load_some(g + i, left, 0.0f) * load_some(out + i, left, 0.0f));
        float sum = (float)s;
        for (Long i = 0; i < n; i++) d[i] = out[i] * (g[i] - sum);
    }
}

/* And the softmax itself into p, which is y where nobody wants it. */
void NAME(log_softmax)(const float *restrict x, float *y, float *p, Long rows, Long n) {
    for (Long r = 0; r < rows; r++, x += n, y += n, p += n) {
        float m = row_largest(x, n);
        double total = row_exp(x, m, p, n);
        float s = (float)log(total), share = (float)(1.0 / total);
        if (p != y)
            for (Long i = 0; i < n; i++) p[i] *= share;
        for (Long i = 0; i < n; i++) y[i] = (x[i] - m) - s;
    }
}

void NAME(log_softmax_back)(const float *restrict g, const float *restrict p, float *restrict d, Long rows, Long n) {
    for (Long r = 0; r < rows; r++, g += n, p += n, d += n) {
        float s = (float)row_sum(g, n);
        for (Long i = 0; i < n; i++) d[i] = g[i] - p[i] * s;
    }
}

/* The logarithm of the softmax of each row at its place; and the softmax itself into p, minus 1 there, if `both`. */
void NAME(cross_entropy)(const float *restrict x, const int64_t *restrict places, float *restrict picked, float *restrict p, Long rows, Long n, Long both) {
    for (Long r = 0; r < rows; r++, x += n) {
        float m = row_largest(x, n), *row = p + r * n;
        double total;
        if (both)
            total = row_exp(x, m, row, n);
        else {
            Vector center = all(m);
            SUM(total, n, exp_of_negative(load(x + i) - center), exp_of_negative(load_some(x + i, left, -INFINITY) - center));
        }
        picked[r] = (float)(((double)x[places[r]] - m) - log(total));
        if (both) {
            float share = (float)(1.0 / total);
            for (Long i = 0; i < n; i++) row[i] *= share;
            row[places[r]] -= 1.0f;
        }
    }
}

/* The same for the columns of `outer` matrices of n rows, TALL at most; but where that takes the logarithm of a sum, the sum goes to `sums`.
 * Columns are copied to a tile first: rows are often so far apart that few of them stay in the cache. */
enum { TALL = 512, KEPT = TALL * 16 }; /* so many numbers in the tile */

void NAME(cross_entropy_columns)(const float *restrict x, const int64_t *restrict places, float *restrict picked, float *restrict sums,
                                 float *restrict p, Long outer, Long n, Long inner, Long both) {
    float tile[KEPT], largest[LANES], total[LANES];
    const Long width = KEPT / n / LANES * LANES;
    for (; outer > 0; outer--, x += n * inner, places += inner, picked += inner, sums += inner) {
        for (Long column = 0; column < inner; column += width) {
            Long count = inner - column < width ? inner - column : width, whole = (count + LANES - 1) / LANES * LANES;
            for (Long k = 0; k < n; k++) {
                memcpy(tile + k * whole, x + k * inner + column, sizeof(float) * count);
                memset(tile + k * whole + count, 0, sizeof(float) * (whole - count));
            }
            for (Long j = 0; j < whole; j += LANES) {
                float *at = tile + j;
                Vector m = all(-INFINITY), sum = all(0.0f), e;
                for (Long k = 0; k < n; k++) m = larger(load(at + k * whole), m);
                for (Long start = 0; start < n; start += 32) { /* a sum of sums, for its rounding errors */
                    Vector some = all(0.0f);
                    for (Long k = start; k < n && k < start + 32; k++) {
                        e = exp_of_negative(load(at + k * whole) - m);
                        store(at + k * whole, e);
                        some += e;
                    }
                    sum += some;
                }
                store(largest, m);
                store(total, sum);
                Vector share = all(1.0f) / sum;
                if (both)
                    for (Long k = 0; k < n; k++) {
                        e = load(at + k * whole) * share;
                        store(at + k * whole, e);
                    }
                for (Long i = 0; i < LANES && j + i < count; i++) {
                    Long to = column + j + i, place = places[to];
                    picked[to] = x[place * inner + to] - largest[i];
                    sums[to] = total[i];
                    at[place * whole + i] -= 1.0f;
                }
            }
            if (both)
                for (Long k = 0; k < n; k++) memcpy(p + k * inner + column, tile + k * whole, sizeof(float) * count);
        }
        if (both) p += n * inner;
    }
}

/* Rows of zeros, with one of the `values` in each, at its place. */
void NAME(one_hot)(const float *restrict values, const int64_t *restrict places, float *restrict to, Long rows, Long n) {
    for (Long r = 0; r < rows; r++, to += n) {
        memset(to, 0, sizeof(float) * n);
        to[places[r]] = values[r];
    }
}

/* Running sums of `outer` matrices of n rows, along the rows, or from the last one `back` to the first: in doubles, several columns at once, as an
 * addition waits for the one before. */
enum { WIDE = 128 };

void NAME(cumsum)(const float *restrict x, float *restrict y, Long outer, Long n, Long inner, Long back) {
    const Long first = back ? n - 1 : 0, by = back ? -1 : 1;
    if (inner == 1) { /* a matrix is a column */
        for (; outer >= 3; outer -= 3, x += 3 * n, y += 3 * n) {
            double a = 0.0, b = 0.0, c = 0.0;
            for (Long k = 0, i = first; k < n; k++, i += by) {
                y[i] = (float)(a += x[i]);
                y[n + i] = (float)(b += x[n + i]);
                y[2 * n + i] = (float)(c += x[2 * n + i]);
            }
        }
        for (; outer > 0; outer--, x += n, y += n) {
            double s = 0.0;
            for (Long k = 0, i = first; k < n; k++, i += by) y[i] = (float)(s += x[i]);
        }
        return;
    }
    for (; outer > 0; outer--, x += n * inner, y += n * inner)
        for (Long column = 0; column < inner; column += WIDE) {
            Long count = inner - column < WIDE ? inner - column : WIDE;
            double s[WIDE] = {0.0};
            for (Long r = 0, i = first; r < n; r++, i += by)
                for (Long k = 0; k < count; k++) y[i * inner + column + k] = (float)(s[k] += x[i * inner + column + k]);
        }
}

/* The places of the k largest numbers of each row, the largest first; of equal ones the first is first. NaN is the largest. With `flip`, all bits
 * set, the smallest. Numbers are compared as integers in the same order. k is MOST_PLACES at most. */
enum { MOST_PLACES = 32 };
void NAME(top)(const float *restrict x, int64_t *restrict places, Long rows, Long n, Long k, Long flip) {
    int32_t best[MOST_PLACES]; /* so far */
    Bits change = (Bits){0} + (int32_t)flip;
    for (Long r = 0; r < rows; r++, x += n, places += k) {
        Long have = 0;
        int32_t least = INT32_MIN;
        for (Long i = 0; i < n; i += LANES) {
            Long count = n - i < LANES ? n - i : LANES;
            Vector v = count == LANES ? load(x + i) : load_some(x + i, count, 0.0f);
            Bits keys, negative, nan = v != v;
            v += 0.0f; /* -0 is 0 */
            memcpy(&keys, &v, sizeof v);
            negative = keys >> 31;
            keys = (either(nan, (Bits){0} + INT32_MAX, keys ^ (negative & INT32_MAX))) ^ change;
            if (have == k) {
                Bits larger = keys > least;
                int64_t some[LANES / 2], any = 0;
                memcpy(some, &larger, sizeof some);
                for (int j = 0; j < LANES / 2; j++) any |= some[j];
                if (!any) continue;
            }
            int32_t key[LANES];
            memcpy(key, &keys, sizeof key);
            for (int j = 0; j < count; j++) {
                if (have == k && key[j] <= least) continue;
                Long at = have < k ? have++ : k - 1;
                for (; at > 0 && best[at - 1] < key[j]; at--) best[at] = best[at - 1], places[at] = places[at - 1];
                best[at] = key[j], places[at] = i + j;
                least = best[have - 1];
            }
        }
    }
}

/* ------------------------------------------------------------------------------------------------------- normalisation
 * The numbers that are normalised together lie in one row, in a row of each image, or in a column. */

/* Mean of a row, and sum of the squares of what is left without it: sums over numbers without `about`, the mean of the first few, which is near
 * theirs. Where it is not, and squares would lose digits, the sums are made again. */
static inline void row_moments(const float *x, Long n, double *mean, double *squares) {
    float about = n < LANES ? add_lanes(load_some(x, n, 0.0f)) / n : add_lanes(load(x)) / LANES;
    if (!isfinite(about)) about = 0.0f;
    for (int again = 0; again < 2; again++) {
        Vector center = all(about), d;
        double rest = 0.0, square = 0.0, share = 1.0 / n;
        for (Long start = 0; start < n; start += BLOCK) {
            Long i = start, end = n - start < BLOCK ? n : start + BLOCK;
            Vector lanes = all(0.0f), others = lanes, q = lanes, p = lanes;
            for (; i + 2 * LANES <= end; i += 2 * LANES) {
                d = load(x + i) - center, lanes += d, q += d * d;
                d = load(x + i + LANES) - center, others += d, p += d * d;
            }
            if (i + LANES <= end) d = load(x + i) - center, lanes += d, q += d * d, i += LANES;
            if (i < end) d = load_some(x + i, end - i, about) - center, others += d, p += d * d;
            rest += add_lanes(lanes + others);
            square += add_lanes(q + p);
        }
        double of_rest = rest * rest * share;
        *mean = about + rest * share;
        square -= of_rest;
        *squares = square < 0.0 ? 0.0 : square; /* NaN stays */
        if (!(of_rest > square) || !isfinite((float)*mean)) return;
        about = (float)*mean;
    }
}

/* For each row the sums of g and of g (x - m). */
void NAME(centered_sums)(const float *restrict g, const float *restrict x, const float *restrict m, double *restrict totals,
                         double *restrict dots, Long rows, Long n) {
    for (Long r = 0; r < rows; r++, x += n, g += n) {
        Vector center = all(m[r]);
        totals[r] = row_sum(g, n);
        SUM(dots[r], n, load(g + i) * (load(x + i) - center), load_some(g + i, left, 0.0f) * (load_some(x + i, left, m[r]) - center));
    }
}

/* (x - m) a + b, with one m, a and b for each row */
void NAME(affine)(const float *restrict x, const float *restrict m, const float *restrict a, const float *restrict b, float *restrict y,
                  Long rows, Long n) {
    for (Long r = 0; r < rows; r++, x += n, y += n) {
        float shift = m[r], scale = a[r], add = b[r];
        for (Long i = 0; i < n; i++) y[i] = (x[i] - shift) * scale + add;
    }
}

/* g a + (x - m) b + c, with one m, a, b and c for each row */
void NAME(blend)(const float *restrict g, const float *restrict x, const float *restrict m, const float *restrict a,
                 const float *restrict b, const float *restrict c, float *restrict y, Long rows, Long n) {
    for (Long r = 0; r < rows; r++, x += n, g += n, y += n) {
        float shift = m[r], of_g = a[r], of_x = b[r], add = c[r];
        for (Long i = 0; i < n; i++) y[i] = ((x[i] - shift) * of_x + add) + g[i] * of_g;
    }
}

/* Each row without its mean, divided by the root of its variance + eps, times w plus b. A row has n numbers: `parts` neighbouring parts of one
 * length, each with its own w and b; an item is `rows` rows, each with its own. */
void NAME(normalize)(const float *restrict x, const float *restrict w, const float *restrict b, float *restrict y, float *restrict mean,
                     float *restrict variance, Long items, Long rows, Long n, Long parts, float eps) {
    Long l = n / parts;
    for (Long r = 0; r < items * rows; r++, x += n, y += n) {
        double m, square;
        row_moments(x, n, &m, &square);
        float shift = mean[r] = (float)m, scale = 1.0f / sqrtf((variance[r] = (float)(square / n)) + eps);
        const float *weight = w + r % rows * parts, *bias = b + r % rows * parts;
        if (l == 1)
            for (Long i = 0; i < n; i++) y[i] = (x[i] - shift) * scale * weight[i] + bias[i];
        else
            for (Long k = 0; k < parts; k++) {
                float a = scale * weight[k], add = bias[k];
                for (Long i = k * l; i < (k + 1) * l; i++) y[i] = (x[i] - shift) * a + add;
            }
    }
}

/* The gradients of `normalize`. `gm` and `gv`, one for each row, are those that arrive at mean and variance, `a` is 1 / the root. dw and db are
 * sums over the rows of an item if parts have one number (they are added to), else numbers for each part of each row. */
void NAME(normalize_back)(const float *restrict g, const float *restrict x, const float *restrict m, const float *restrict a,
                          const float *restrict gm, const float *restrict gv, const float *restrict w, float *restrict d,
                          float *restrict dw, float *restrict db, Long items, Long rows, Long n, Long parts) {
    Long l = n / parts;
    for (Long r = 0; r < items * rows; r++, x += n, g += n, d += n) {
        const float *weight = l == 1 ? w : w + r % rows * parts;
        float scale = a[r], *to_w = dw + (l == 1 ? r / rows : r) * parts, *to_b = db + (l == 1 ? r / rows : r) * parts;
        double total = 0.0, dot = 0.0;
        Vector center = all(m[r]), of_row = all(scale);
        if (l == 1)
            for (Long start = 0; start < n; start += BLOCK) {
                Vector sums = all(0.0f), dots = sums;
                Long end = n - start < BLOCK ? n : start + BLOCK;
                for (Long i = start; i < end; i += LANES) {
                    Long some = end - i < LANES ? end - i : LANES;
                    Vector v[5]; /* g, x, w, dw, db */
                    if (some == LANES) v[0] = load(g + i), v[1] = load(x + i), v[2] = load(weight + i), v[3] = load(to_w + i), v[4] = load(to_b + i);
                    else {
                        v[0] = load_some(g + i, some, 0.0f), v[1] = load_some(x + i, some, m[r]), v[2] = load_some(weight + i, some, 0.0f);
                        v[3] = load_some(to_w + i, some, 0.0f), v[4] = load_some(to_b + i, some, 0.0f);
                    }
                    v[1] -= center;
                    v[3] += v[0] * (v[1] * of_row);
                    v[4] += v[0];
                    v[2] *= v[0];
                    sums += v[2];
                    dots += v[2] * v[1];
                    if (some == LANES) memcpy(to_w + i, v + 3, sizeof(Vector)), memcpy(to_b + i, v + 4, sizeof(Vector));
                    else memcpy(to_w + i, v + 3, 4 * some), memcpy(to_b + i, v + 4, 4 * some);
                }
                total += add_lanes(sums);
                dot += add_lanes(dots);
            }
        else
            for (Long k = 0; k < parts; k++) {
                const float *gs = g + k * l, *xs = x + k * l;
                double of_g, of_x;
                SUM(of_g, l, load(gs + i), load_some(gs + i, left, 0.0f));
                SUM(of_x, l, load(gs + i) * (load(xs + i) - center), load_some(gs + i, left, 0.0f) * (load_some(xs + i, left, m[r]) - center));
                to_b[k] = (float)of_g;
                to_w[k] = (float)(of_x * scale);
                total += of_g * weight[k];
                dot += of_x * weight[k];
            }
        float shift = m[r], add = (float)((gm[r] - scale * total) / n);
        float of_x = (float)((2.0 * gv[r] - (double)scale * scale * scale * dot) / n);
        if (l == 1)
            for (Long i = 0; i < n; i++) d[i] = ((x[i] - shift) * of_x + add) + g[i] * weight[i] * scale;
        else
            for (Long k = 0; k < parts; k++) {
                float of_g = weight[k] * scale;
                for (Long i = k * l; i < (k + 1) * l; i++) d[i] = ((x[i] - shift) * of_x + add) + g[i] * of_g;
            }
    }
}

/* The same where rows are normalised together, number by number: each of `columns` columns of n rows, which lie `pitch` numbers apart. ROWS of them
 * at a time are in the cache, where each vector of columns goes through them again; so memory is read row by row, once for the sums and once for
 * the results. */
enum { ROWS = 64, COLUMNS = 512 };

/* For each part of up to COLUMNS of `count` columns or channels: `wide` of them, from `c` on. */
#define PARTS_OF(count) for (Long c = 0, wide; wide = least(COLUMNS, (count)-c), c < (count); c += wide)

/* Calls `strip` for the vectors of `wide` columns, from the k-th on: ABREAST at once as long as there are so many, then one, of which `some` count. */
enum { ABREAST = 4 };
#define STRIPS(wide, strip)                                                               \
    do {                                                                                  \
        Long k = 0, some = LANES;                                                         \
        for (; k + ABREAST * LANES <= (wide); k += ABREAST * LANES) strip(ABREAST);       \
        for (; k < (wide); k += LANES) {                                                  \
            some = least(LANES, (wide)-k);                                                \
            strip(1);                                                                     \
        }                                                                                 \
    } while (0)

static inline __attribute__((always_inline)) Vector load_of(const float *from, Long some) {
    return some == LANES ? load(from) : load_some(from, some, 0.0f);
}

/* Adds to what is known of `seen` rows (sums, means, and squares of the distances from these) what `rows` more, at x, have to add, by
 * Chan, Golub and LeVeque (1979). The first mean is rounded as sums of floats are; what is left without it is summed once more, with the squares. */
static inline __attribute__((always_inline)) void columns_of(const float *x, Long seen, Long rows, Long pitch, double *sums, double *means,
                                                             double *squares, Long some, const int width) {
    Vector sum[width], center[width], rest[width], square[width];
    for (int v = 0; v < width; v++) sum[v] = rest[v] = square[v] = all(0.0f);
    for (Long r = 0; r < rows; r++)
        for (int v = 0; v < width; v++) sum[v] += load_of(x + r * pitch + v * LANES, some);
    for (int v = 0; v < width; v++) center[v] = sum[v] * all(1.0f / rows);
    for (Long r = 0; r < rows; r++)
        for (int v = 0; v < width; v++) {
            Vector d = load_of(x + r * pitch + v * LANES, some) - center[v];
            rest[v] += d;
            square[v] += d * d;
        }
    for (int v = 0; v < width; v++)
        for (int k = 0; k < LANES; k++) {
            int i = v * LANES + k;
            double off = rest[v][k] / (double)rows, apart = center[v][k] + off - means[i], share = (double)rows / (seen + rows);
            sums[i] += sum[v][k];
            means[i] += apart * share;
            squares[i] += square[v][k] - rows * off * off + apart * apart * share * seen;
        }
}

/* Mean, variance and the factor of what `wide` columns or channels have in all parts: `n` times the mean of some numbers each, `count` numbers in all.
 * The mean of the sums is infinite where a number is; the one that is put together may be NaN there. */
static inline void found(const double *sums, const double *means, const double *squares, Long wide, Long n, Long count, const float *w, float eps,
                         float *mean, float *variance, float *scale) {
    for (Long k = 0; k < wide; k++) {
        double of_sums = sums[k] / n, square = squares[k] / count;
        mean[k] = (float)(isfinite(of_sums) ? means[k] : of_sums);
        variance[k] = isfinite(of_sums) ? (float)(square < 0.0 ? 0.0 : square) : NAN;
        scale[k] = 1.0f / sqrtf(variance[k] + eps) * w[k];
    }
}

void NAME(normalize_columns)(const float *x, const float *w, const float *b, float *y, float *mean, float *variance, Long columns, Long n,
                             Long pitch, float eps) {
    PARTS_OF(columns) {
        double sums[COLUMNS], means[COLUMNS], squares[COLUMNS];
        float scale[COLUMNS];
        memset(sums, 0, sizeof sums), memset(means, 0, sizeof means), memset(squares, 0, sizeof squares);
        for (Long r = 0; r < n; r += ROWS) {
#define OF_STRIP(width) columns_of(x + r * pitch + c + k, r, least(ROWS, n - r), pitch, sums + k, means + k, squares + k, some, width)
            STRIPS(wide, OF_STRIP);
#undef OF_STRIP
        }
        found(sums, means, squares, wide, n, n, w + c, eps, mean + c, variance + c, scale);
        for (Long r = 0; r < n; r++) {
            const float *from = x + r * pitch + c;
            float *restrict to = y + r * pitch + c;
            for (Long k = 0; k < wide; k++) to[k] = (from[k] - mean[c + k]) * scale[k] + b[c + k];
        }
    }
}

static inline __attribute__((always_inline)) void columns_of_back(const float *g, const float *x, const float *m, Long rows, Long pitch,
                                                                  double *totals, double *dots, Long some, const int width) {
    Vector center[width], total[width], dot[width];
    for (int v = 0; v < width; v++) center[v] = load_of(m + v * LANES, some), total[v] = dot[v] = all(0.0f);
    for (Long r = 0; r < rows; r++)
        for (int v = 0; v < width; v++) {
            Vector of_row = load_of(g + r * pitch + v * LANES, some);
            total[v] += of_row;
            dot[v] += of_row * (load_of(x + r * pitch + v * LANES, some) - center[v]);
        }
    for (int v = 0; v < width; v++)
        for (int k = 0; k < LANES; k++) totals[v * LANES + k] += total[v][k], dots[v * LANES + k] += dot[v][k];
}

/* The gradients in the parameters of `wide` columns or channels, of which each has `count` numbers; and the factors of that in x, which is g `of_g` +
 * (x - mean) `of_x` + `add`. */
static inline void back_factors(const double *totals, const double *dots, const float *a, const float *gm, const float *gv, const float *w, Long wide,
                                Long count, float *dw, float *db, float *of_g, float *of_x, float *add) {
    for (Long k = 0; k < wide; k++) {
        double scale = a[k], weight = w[k];
        db[k] = (float)totals[k];
        dw[k] = (float)(dots[k] * scale);
        of_g[k] = a[k] * w[k];
        of_x[k] = (float)((2.0 * gv[k] - scale * scale * scale * dots[k] * weight) / count);
        add[k] = (float)((gm[k] - scale * totals[k] * weight) / count);
    }
}

/* The gradients of `normalize_columns`, with the names of `normalize_back`. */
void NAME(normalize_columns_back)(const float *g, const float *x, const float *m, const float *a, const float *gm, const float *gv,
                                  const float *w, float *d, float *dw, float *db, Long columns, Long n, Long pitch) {
    PARTS_OF(columns) {
        double totals[COLUMNS], dots[COLUMNS];
        float of_g[COLUMNS], of_x[COLUMNS], add[COLUMNS];
        memset(totals, 0, sizeof totals), memset(dots, 0, sizeof dots);
        for (Long r = 0; r < n; r += ROWS) {
            Long at = r * pitch + c;
#define OF_STRIP(width) columns_of_back(g + at + k, x + at + k, m + c + k, least(ROWS, n - r), pitch, totals + k, dots + k, some, width)
            STRIPS(wide, OF_STRIP);
#undef OF_STRIP
        }
        back_factors(totals, dots, a + c, gm + c, gv + c, w + c, wide, n, dw + c, db + c, of_g, of_x, add);
        for (Long r = 0; r < n; r++) {
            const float *of = g + r * pitch + c, *from = x + r * pitch + c;
            float *restrict to = d + r * pitch + c;
            for (Long k = 0; k < wide; k++) to[k] = (from[k] - m[c + k]) * of_x[k] + add[k] + of[k] * of_g[k];
        }
    }
}

/* The same where a row of l numbers of each of n images is normalised together, as a channel is; images lie `pitch` numbers apart. */
void NAME(normalize_images)(const float *x, const float *w, const float *b, float *y, float *mean, float *variance, Long channels, Long n, Long l,
                            Long pitch, float eps) {
    PARTS_OF(channels) {
        double sums[COLUMNS], means[COLUMNS], squares[COLUMNS];
        float scale[COLUMNS];
        memset(sums, 0, sizeof sums), memset(means, 0, sizeof means), memset(squares, 0, sizeof squares);
        for (Long r = 0; r < n; r++)
            for (Long k = 0; k < wide; k++) {
                double m, square;
                row_moments(x + r * pitch + (c + k) * l, l, &m, &square);
                double apart = m - means[k], share = 1.0 / (r + 1);
                sums[k] += m;
                means[k] += apart * share;
                squares[k] += square + apart * apart * share * r * l;
            }
        found(sums, means, squares, wide, n, n * l, w + c, eps, mean + c, variance + c, scale);
        for (Long r = 0; r < n; r++)
            for (Long k = 0; k < wide; k++) {
                const float *from = x + r * pitch + (c + k) * l;
                float *restrict to = y + r * pitch + (c + k) * l, shift = mean[c + k], of_x = scale[k], add = b[c + k];
                for (Long i = 0; i < l; i++) to[i] = (from[i] - shift) * of_x + add;
            }
    }
}

/* The gradients of `normalize_images`. */
void NAME(normalize_images_back)(const float *g, const float *x, const float *m, const float *a, const float *gm, const float *gv, const float *w,
                                 float *d, float *dw, float *db, Long channels, Long n, Long l, Long pitch) {
    PARTS_OF(channels) {
        double totals[COLUMNS], dots[COLUMNS];
        float of_g[COLUMNS], of_x[COLUMNS], add[COLUMNS];
        memset(totals, 0, sizeof totals), memset(dots, 0, sizeof dots);
        for (Long r = 0; r < n; r++)
            for (Long k = 0; k < wide; k++) {
                const float *of = g + r * pitch + (c + k) * l, *from = x + r * pitch + (c + k) * l;
                float shift = m[c + k];
                Vector center = all(shift);
                double dot;
                SUM(dot, l, load(of + i) * (load(from + i) - center), load_some(of + i, left, 0.0f) * (load_some(from + i, left, shift) - center));
                totals[k] += row_sum(of, l);
                dots[k] += dot;
            }
        back_factors(totals, dots, a + c, gm + c, gv + c, w + c, wide, n * l, dw + c, db + c, of_g, of_x, add);
        for (Long r = 0; r < n; r++)
            for (Long k = 0; k < wide; k++) {
                const float *of = g + r * pitch + (c + k) * l, *from = x + r * pitch + (c + k) * l;
                float *restrict to = d + r * pitch + (c + k) * l, shift = m[c + k], times = of_x[k], more = add[k], of_row = of_g[k];
                for (Long i = 0; i < l; i++) to[i] = (from[i] - shift) * times + more + of[i] * of_row;
            }
    }
}

/* ------------------------------------------------------------------------------------------------------------- pooling */

/* What a plane and its windows measure: kh x kw cells, 255 at most, that start every `sh` rows and `sw` columns, the first `ph` rows and `pw`
 * columns before the plane. */
typedef struct { Long h, w, oh, ow, kh, kw, sh, sw, ph, pw; } Windows;

/* Every second number from `from` on, beginning with the first. */
static inline Vector evens(const float *from) {
    Vector a = load(from), b = load(from + LANES);
    return SHUFFLE(a, b, EVENS);
}

static inline Vector odds(const float *from) {
    Vector a = load(from), b = load(from + LANES);
    return SHUFFLE(a, b, ODDS);
}

/* The windows from c to `end` of one row, one after another; `x` is the first row of the windows (it may lie before the plane), of which the
 * rows from `top` to `bottom` are in the plane. */
static void pool_windows(const float *x, const Windows *s, float *y, uint8_t *which, Long c, Long end, Long top, Long bottom) {
    for (; c < end; c++) {
        Long at = c * s->sw - s->pw, left = at < 0 ? -at : 0, right = at + s->kw > s->w ? s->w - at : s->kw;
        float best = -INFINITY;
        Long code = top * s->kw + left;
        for (Long i = top; i < bottom; i++)
            for (Long j = left; j < right; j++) {
                float v = x[i * s->w + at + j];
                int larger = (v > best) | (v != v);
                best = larger ? v : best;
                code = larger ? i * s->kw + j : code;
            }
        y[c] = best;
        which[c] = (uint8_t)code;
    }
}

/* Neighbouring windows whose columns are all in the plane: `x` is the first cell of the first one. */
static inline void pool_block(const float *x, const Windows *s, float *y, uint8_t *which, Long count, Long top, Long bottom, int stride) {
    Vector best = all(-INFINITY);
    Bits codes = (Bits){0} + (int32_t)(top * s->kw);
    for (Long i = top; i < bottom; i++)
        for (Long j = 0; j < s->kw; j++) {
            const float *cells = x + i * s->w + j;
            Vector v = stride == 1 ? load(cells) : j & 1 ? odds(cells - 1) : evens(cells);
            Bits larger = (v > best) | (v != v), from, was;
            memcpy(&from, &v, sizeof v);
            memcpy(&was, &best, sizeof v);
            from = either(larger, from, was);
            memcpy(&best, &from, sizeof v);
            codes = either(larger, (Bits){0} + (int32_t)(i * s->kw + j), codes);
        }
    memcpy(y, &best, 4 * count);
    if (count == LANES) { narrow(codes, which); return; }
    uint8_t bytes[LANES];
    narrow(codes, bytes);
    memcpy(which, bytes, count);
}

/* Neighbouring windows of 2x2, side by side: the same without loops, of which a short row has as much as of windows. */
static inline void pool_pairs(const float *x, Long w, float *y, uint8_t *which) {
    Vector cells[4] = {evens(x), odds(x), evens(x + w), odds(x + w)};
    Bits best, codes = {0};
    memcpy(&best, &cells[0], sizeof best);
UNROLLED
    for (int k = 1; k < 4; k++) {
        Vector v = cells[k], was;
        memcpy(&was, &best, sizeof was);
        Bits larger = (v > was) | (v != v), from;
        memcpy(&from, &v, sizeof v);
        best = either(larger, from, best);
        codes = either(larger, (Bits){0} + k, codes);
    }
    memcpy(y, &best, sizeof best);
    narrow(codes, which);
}

/* The largest cell of each window of a plane, and which of the window it is, counted row by row: the first of several largest, or the last
 * NaN. Blocks of windows may be longer than a row: what lies behind it is overwritten next. */
void NAME(max_pool)(const float *restrict x, float *restrict y, uint8_t *restrict which, Long planes, const Windows *windows) {
    const Windows s = *windows;
    const Long h = s.h, w = s.w, oh = s.oh, ow = s.ow, kh = s.kh, kw = s.kw, sh = s.sh, sw = s.sw, ph = s.ph, pw = s.pw;
    const float *end = x + planes * h * w, *y_end = y + planes * oh * ow;
    Long first = (pw + sw - 1) / sw, last = w + pw < kw ? 0 : (w + pw - kw) / sw + 1; /* windows with all columns in the plane */
    first = first < ow ? first : ow;
    last = last > ow ? ow : last < first ? first : last;
    Long reach = (kw - 1) / sw * sw + sw * LANES; /* numbers that a block reads from a row of its windows */
    if (kh == 2 && kw == 2 && sh == 2 && sw == 2 && !ph && !pw && 2 * oh <= h && 2 * ow <= w) {
        for (Long p = 0; p < planes; p++, x += h * w)
            for (Long r = 0; r < oh; r++, y += ow, which += ow) {
                const float *rows = x + 2 * r * w;
                Long c = 0;
                for (; c < ow && rows + w + 2 * (c + LANES) <= end && y + c + LANES <= y_end; c += LANES)
                    pool_pairs(rows + 2 * c, w, y + c, which + c);
                pool_windows(rows, &s, y, which, c, ow, 0, 2);
            }
        return;
    }
    for (Long p = 0; p < planes; p++, x += h * w)
        for (Long r = 0; r < oh; r++, y += ow, which += ow) {
            Long start = r * sh - ph, top = start < 0 ? -start : 0, bottom = start + kh > h ? h - start : kh, c = first;
            const float *rows = x + start * w;
            pool_windows(rows, &s, y, which, 0, first, top, bottom);
            for (; c < last && sw <= 2; c += LANES) {
                const float *cells = rows + c * sw - pw;
                if (cells + (bottom - 1) * w + reach > end) break;
                Long count = y + c + LANES <= y_end ? LANES : last - c < LANES ? last - c : LANES;
                if (count == LANES && sw == 1) pool_block(cells, &s, y + c, which + c, LANES, top, bottom, 1);
                else if (count == LANES) pool_block(cells, &s, y + c, which + c, LANES, top, bottom, 2);
                else if (sw == 1) pool_block(cells, &s, y + c, which + c, count, top, bottom, 1);
                else pool_block(cells, &s, y + c, which + c, count, top, bottom, 2);
            }
            pool_windows(rows, &s, y, which, c < last ? c : last, ow, top, bottom);
        }
}

/* Cells of neighbouring windows of 2x2, those of a row of the windows: g where the cell is the one that `codes` name, else 0. */
static inline void spread(Vector g, Bits codes, int32_t row, float *d) {
    Bits bits;
    memcpy(&bits, &g, sizeof g);
    Bits left = bits & (codes == 2 * row), right = bits & (codes == 2 * row + 1);
    Bits low = SHUFFLE(left, right, ZIP_LOW), high = SHUFFLE(left, right, ZIP_HIGH);
    memcpy(d, &low, sizeof low);
    memcpy(d + LANES, &high, sizeof high);
}

/* A row of the cells of `count` windows of 2x2. Blocks of windows may be longer: what lies behind the row is overwritten next. */
static inline void spread_row(const float *g, const uint8_t *which, float *d, Long count, Long left_of_g, Long left_of_d, int32_t row) {
    Long c = 0;
    for (; c < count && c + LANES <= left_of_g && 2 * (c + LANES) <= left_of_d; c += LANES)
        spread(load(g + c) + 0.0f, widened(which + c), row, d + 2 * c); /* as if it were added to 0 */
    for (; c < count; c++) {
        d[2 * c] = which[c] == 2 * row ? g[c] + 0.0f : 0.0f;
        d[2 * c + 1] = which[c] == 2 * row + 1 ? g[c] + 0.0f : 0.0f;
    }
}

/* Add each g to the cell of its window that `which` names; d is overwritten. */
void NAME(max_pool_back)(const float *restrict g, const uint8_t *restrict which, float *restrict d, Long planes, const Windows *s) {
    const Long h = s->h, w = s->w, oh = s->oh, ow = s->ow, kh = s->kh, kw = s->kw, sh = s->sh, sw = s->sw, ph = s->ph, pw = s->pw;
    if (kh == 2 && kw == 2 && sh == 2 && sw == 2 && h == 2 * oh && w == 2 * ow) { /* each cell is in one window */
        for (Long left = planes * oh; left; left--, g += ow, which += ow, d += 2 * w) {
            if (ow <= LANES && LANES <= left * ow && 2 * LANES <= (2 * left - 1) * w) { /* one block, for both rows of cells */
                Vector v = load(g) + 0.0f;
                Bits codes = widened(which);
                spread(v, codes, 0, d);
                spread(v, codes, 1, d + w);
                continue;
            }
            spread_row(g, which, d, ow, left * ow, 2 * left * w, 0);
            spread_row(g, which, d + w, ow, left * ow, (2 * left - 1) * w, 1);
        }
        return;
    }
    Long places[256]; /* of a window's cells from its first */
    for (Long i = 0; i < kh; i++)
        for (Long j = 0; j < kw; j++) places[i * kw + j] = i * w + j;
    memset(d, 0, 4 * planes * h * w);
    for (Long p = 0; p < planes; p++, d += h * w)
        for (Long r = 0; r < oh; r++, g += ow, which += ow) {
            float *start = d + (r * sh - ph) * w - pw;
            for (Long c = 0; c < ow; c++) start[c * sw + places[which[c]]] += g[c];
        }
}

/* Numbers of a row that is summed over the rows of a window before its columns are. */
enum { POOL_ROW = 4096 };

/* The windows of a row whose cell number j is in the row: from `first`, up to `last`; and where that cell is for window 0. */
static inline Long cells_of(const Windows *s, Long j, Long *first, Long *last) {
    Long at = j - s->pw, end = s->w > at ? (s->w - 1 - at) / s->sw + 1 : 0;
    *first = at < 0 ? (-at + s->sw - 1) / s->sw : 0;
    *last = end < s->ow ? end : s->ow;
    return at;
}

/* The sum of each window of a plane, whose rows have POOL_ROW numbers at most. */
void NAME(sum_pool)(const float *restrict x, float *restrict y, Long planes, const Windows *s) {
    const Long h = s->h, w = s->w, oh = s->oh, ow = s->ow, kh = s->kh, kw = s->kw, sh = s->sh, sw = s->sw, ph = s->ph, pw = s->pw;
    float sums[POOL_ROW];
    for (Long p = 0; p < planes; p++, x += h * w)
        for (Long r = 0; r < oh; r++, y += ow) {
            Long start = r * sh - ph, top = start < 0 ? 0 : start, bottom = start + kh > h ? h : start + kh;
            for (Long c = 0; c < ow; c++) y[c] = 0.0f;
            if (top >= bottom) continue;
            const float *row = x + top * w, *next = row + w;
            if (bottom - top == 1) memcpy(sums, row, 4 * w);
            else for (Long k = 0; k < w; k++) sums[k] = row[k] + next[k];
            for (Long i = top + 2; i < bottom; i++)
                for (Long k = 0; k < w; k++) sums[k] += x[i * w + k];
            if (kw == 2 && sw == 2 && !pw && 2 * ow <= w) {
                for (Long c = 0; c < ow; c++) y[c] = sums[2 * c] + sums[2 * c + 1];
                continue;
            }
            for (Long j = 0; j < kw; j++) {
                Long c, last, at = cells_of(s, j, &c, &last);
                if (sw == 1) for (; c < last; c++) y[c] += sums[at + c];
                else for (; c < last; c++) y[c] += sums[at + c * sw];
            }
        }
}

/* Each y added to all cells of its window: d is overwritten. */
void NAME(spread_pool)(const float *restrict y, float *restrict d, Long planes, const Windows *s) {
    const Long h = s->h, w = s->w, oh = s->oh, ow = s->ow, kh = s->kh, kw = s->kw, sh = s->sh, sw = s->sw, ph = s->ph, pw = s->pw;
    float row[POOL_ROW];
    for (Long p = 0; p < planes; p++, d += h * w) {
        memset(d, 0, 4 * h * w);
        for (Long r = 0; r < oh; r++, y += ow) {
            Long start = r * sh - ph, top = start < 0 ? 0 : start, bottom = start + kh > h ? h : start + kh;
            if (kw == 2 && sw == 2 && !pw && 2 * ow <= w) {
                for (Long c = 0; c < ow; c++) row[2 * c] = row[2 * c + 1] = y[c];
                for (Long k = 2 * ow; k < w; k++) row[k] = 0.0f;
            } else {
                memset(row, 0, 4 * w);
                for (Long j = 0; j < kw; j++) {
                    Long c, last, at = cells_of(s, j, &c, &last);
                    if (sw == 1) for (; c < last; c++) row[at + c] += y[c];
                    else for (; c < last; c++) row[at + c * sw] += y[c];
                }
            }
            for (Long i = top; i < bottom; i++)
                for (Long k = 0; k < w; k++) d[i * w + k] += row[k];
        }
    }
}

/* ---------------------------------------------------------------------------------- Winograd's F(4x4, 3x3) and F(2x2, 5x5)
 * minigrad/kernels/winograd.py has the theory. Both have tiles of 6x6 numbers of the input, and 36 points at which channels are multiplied.
 * Vectors hold channels: those of LANES planes are transposed into a frame, pixel by pixel, so that neither transforms nor products move numbers
 * within a vector. A block is some rows of tiles; its 36 matrices (tiles x channels) stay in the second cache until they are multiplied.
 * `a` (pixels x 6) and `b` (6x6) are the matrices of toom_cook for points 0, p, -p, q, -q and infinity: what belongs to p and -p differs in the
 * sign of the odd terms. */
#if defined(__AVX512F__)
#define HIGH 12 /* numbers, each times two vectors, whose products are summed in registers; or twice as many times one */
#else
#define HIGH 6
#endif
#define INLINE static inline __attribute__((always_inline))

typedef struct {
    Long c, o, h, w, oh, ow;      /* channels and sizes of x and y */
    Long y_step;                  /* from one image of y to the next: there may be more channels than o */
    Long th, tw, top;             /* rows of tiles, and tiles in each; zeros above x */
    Long down, aside;             /* the dilation: from a pixel of a tile to the next. A row has the tiles of all phases: of each pixel in such a step */
    Long pitch, y_pitch;          /* vectors in a row of the frames of x and of y */
    Long rows, range;             /* of tiles in a block; channels of y that are multiplied together, a multiple of LANES */
    Long u_step;                  /* from the weights of one point to those of the next */
    Long frame, strip, points, products; /* numbers in the frames of x and of y, at the points of x and of y; behind this struct: places, y_places,
                                           tiles, y_tiles */
} Tiling;

/* Shares that threads take one by one: who called takes the first ones, others the last ones. So in each layer of a net a thread has about the same
 * images, and finds in its own cache what it wrote before. A caller's pointer is the struct's address, others' are a byte or more higher. */
typedef struct { Long taken, first, last, shares; } Shares;

/* The number of the next share; behind the last one if all are taken. */
static inline Long take(const char *turn) {
    Shares *s = (Shares *)(turn - (uintptr_t)turn % 64);
    if (__atomic_fetch_add(&s->taken, 1, __ATOMIC_RELAXED) >= s->shares) return s->shares;
    if (turn == (const char *)s) return s->first++;
    return s->shares - 1 - __atomic_fetch_add(&s->last, 1, __ATOMIC_RELAXED);
}

INLINE void transpose(Vector v[LANES]) {
    Vector t[LANES];
UNROLLED
    for (int round = 1; round < LANES; round *= 2) {
UNROLLED
        for (int i = 0; i < LANES / 2; i++) {
            t[2 * i] = SHUFFLE(v[i], v[i + LANES / 2], ZIP_LOW);
            t[2 * i + 1] = SHUFFLE(v[i], v[i + LANES / 2], ZIP_HIGH);
        }
UNROLLED
        for (int i = 0; i < LANES; i++) v[i] = t[i];
    }
}

/* Pixels from `first` to `end` of planes that are `step` apart: pixel i of all `channels` to the vector at frame + place[i]. */
static void to_vectors(const float *planes, Long step, Long channels, const Long *place, Long first, Long end, float *frame) {
    for (Long i = first; i < end; i += LANES) {
        if (end - i < LANES && end - first >= LANES) i = end - LANES; /* some once more */
        Long count = end - i < LANES ? end - i : LANES;
        Vector v[LANES];
        if (count == LANES && channels == LANES) for (int k = 0; k < LANES; k++) v[k] = load(planes + k * step + i);
        else for (int k = 0; k < LANES; k++) v[k] = k < channels ? load_some(planes + k * step + i, count, 0.0f) : all(0.0f);
        transpose(v);
        for (Long k = 0; k < count; k++) store(frame + place[i + k], v[k]);
    }
}

/* The contrary. */
static void from_vectors(float *planes, Long step, Long channels, const Long *place, Long first, Long end, const float *frame) {
    for (Long i = first; i < end; i += LANES) {
        if (end - i < LANES && end - first >= LANES) i = end - LANES;
        Long count = end - i < LANES ? end - i : LANES;
        Vector v[LANES];
        for (int k = 0; k < LANES; k++) v[k] = load(frame + place[k < count ? i + k : i]);
        transpose(v);
        if (count == LANES && channels == LANES) for (int k = 0; k < LANES; k++) store(planes + k * step + i, v[k]);
        else for (Long k = 0; k < channels; k++) memcpy(planes + k * step + i, &v[k], 4 * count);
    }
}

INLINE void input_points(const float *b, const Vector x[6], Vector y[6]) {
    Vector even = b[8] * x[2] + b[10] * x[4], odd = b[7] * x[1] + b[9] * x[3];
    Vector even2 = b[20] * x[2] + b[22] * x[4], odd2 = b[19] * x[1] + b[21] * x[3];
    y[0] = b[0] * x[0] + b[2] * x[2] + b[4] * x[4];
    y[1] = even + odd;
    y[2] = even - odd;
    y[3] = even2 + odd2;
    y[4] = even2 - odd2;
    y[5] = b[31] * x[1] + b[33] * x[3] + b[35] * x[5];
}

INLINE void gradient_points(const float *a, const Vector *g, Vector y[6], const int pixels) {
    Vector even = g[0], odd = a[7] * g[1], even2 = g[0], odd2 = a[9] * g[1];
    if (pixels == 4) even += a[13] * g[2], even2 += a[15] * g[2], odd += a[19] * g[3], odd2 += a[21] * g[3];
    y[0] = g[0];
    y[1] = even + odd;
    y[2] = even - odd;
    y[3] = even2 + odd2;
    y[4] = even2 - odd2;
    y[5] = g[pixels - 1];
}

INLINE void output_points(const float *a, const Vector m[6], Vector *y, const int pixels) {
    Vector sum = m[1] + m[2], difference = m[1] - m[2], sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    y[0] = m[0] + sum + sum2;
    y[1] = a[7] * difference + a[9] * difference2;
    if (pixels == 4) {
        y[2] = a[13] * sum + a[15] * sum2;
        y[3] = a[19] * difference + a[21] * difference2;
    }
    y[pixels - 1] += m[5];
}

/* A tile, whose rows are `pitch` apart and columns `step`, to 36 points that are `apart`: of the input (side 6) or of the gradient. */
INLINE void tile_points(const float *from, Long pitch, Long step, const float *matrix, float *to, Long apart, const int side) {
    Vector rows[6][6], column[6], points[6];
UNROLLED
    for (int j = 0; j < side; j++) {
        for (int i = 0; i < side; i++) column[i] = load(from + i * pitch + j * step);
        if (side == 6) input_points(matrix, column, points);
        else gradient_points(matrix, column, points, side);
        for (int i = 0; i < 6; i++) rows[i][j] = points[i];
    }
UNROLLED
    for (int i = 0; i < 6; i++) {
        if (side == 6) input_points(matrix, rows[i], points);
        else gradient_points(matrix, rows[i], points, side);
        for (int j = 0; j < 6; j++) store(to + (i * 6 + j) * apart, points[j]);
    }
}

static inline Long whole(Long count) { return (count + LANES - 1) / LANES * LANES; }

/* How the points of tiles lie at one of 36 points: panels of `wide` channels, a whole number of vectors, each of all `tiles`; `apart` from one point to the
 * next, not a power of two, else they would compete for the same cache lines. */
typedef struct { Long wide, tiles, apart; } Panels;

/* In one panel, whatever the channels; sums for each output lie so too, in place of tiles. */
static inline Panels one_panel(Long c, Long tiles) { return (Panels){whole(c), tiles, tiles * whole(c) + LANES}; }

/* Where each tile of a row begins in the frames of x, and behind these in those of y. */
static inline const Long *tiles_of(const Tiling *s) { return (const Long *)(s + 1) + s->h * s->w + s->oh * s->ow; }

/* Rows of tiles of one image from `first` to `end`, of `c` planes of h x w numbers, to 36 matrices from tile `at` on. Tiles begin every `pixels`
 * pixels, counted in steps of the dilation, and `tiles` says where in a row of the frame; `top` rows of zeros are before the plane. */
INLINE void tiles_to_points(const float *x, Long c, Long h, Long w, Long first, Long end, Long top, const Tiling *s, Long pitch, const Long *place,
                            const Long *tiles, float *frame, const float *matrix, float *to, Panels panels, Long at, const int side, const int pixels) {
    const Long each = pixels * s->down; /* rows of pixels */
    Long start = first * each - top, high = (end - first) * each + (side - pixels) * s->down; /* `start` is the first row of the strip */
    Long up = least(most(0, start), h), down = most(up, least(h, start + high)); /* rows that are in it */
    for (Long k = 0; k < c; k += LANES) {
        if (up > start) memset(frame, 0, 4 * LANES * pitch * least(up - start, high));
        if (down < start + high) memset(frame + most(0, down - start) * pitch * LANES, 0, 4 * LANES * pitch * (start + high - most(start, down)));
        to_vectors(x + k * h * w, h * w, least(LANES, c - k), place, up * w, down * w, frame - first * each * pitch * LANES);
        float *panel = to + k / panels.wide * panels.wide * panels.tiles + k % panels.wide;
        for (Long i = 0; i < end - first; i++)
            for (Long j = 0; j < s->tw; j++)
                tile_points(frame + i * each * pitch * LANES + tiles[j], s->down * pitch * LANES, s->aside * LANES, matrix,
                            panel + (at + i * s->tw + j) * panels.wide, panels.apart, side);
    }
}

INLINE void block_of_input(const float *x, const Tiling *s, Long row, Long rows, const Long *place, float *frame, const float *b, float *to,
                           Panels panels, const int pixels) {
    for (Long done = 0, some; done < rows; done += some) {
        Long first = (row + done) % s->th;
        some = least(s->th - first, rows - done);
        tiles_to_points(x + (row + done) / s->th * s->c * s->h * s->w, s->c, s->h, s->w, first, first + some, s->top, s, s->pitch, place, tiles_of(s),
                        frame, b, to, panels, done * s->tw, 6, pixels);
    }
}

/* The same of `o` channels of the gradient in the output. */
INLINE void block_of_gradient(const float *y, Long o, const Tiling *s, Long row, Long rows, const Long *y_places, float *strip, const float *a, float *to,
                              Panels panels, const int pixels) {
    for (Long done = 0, some; done < rows; done += some) {
        Long first = (row + done) % s->th;
        some = least(s->th - first, rows - done);
        tiles_to_points(y + (row + done) / s->th * s->y_step, o, s->oh, s->ow, first, first + some, 0, s, s->y_pitch, y_places, tiles_of(s) + s->tw,
                        strip, a, to, panels, done * s->tw, pixels, pixels);
    }
}

/* g (6 x taps) times weights that are `step` vectors apart. */
INLINE void weight_points(const float *g, const Vector *w, const int step, Vector y[6], const int taps) {
    const float *p = g + taps, *q = g + 3 * taps;
    Vector even = p[0] * w[0] + p[2] * w[2 * step], odd = p[1] * w[step], even2 = q[0] * w[0] + q[2] * w[2 * step], odd2 = q[1] * w[step];
    if (taps == 5) even += p[4] * w[4 * step], even2 += q[4] * w[4 * step], odd += p[3] * w[3 * step], odd2 += q[3] * w[3 * step];
    y[0] = g[0] * w[0];
    y[1] = even + odd;
    y[2] = even - odd;
    y[3] = even2 + odd2;
    y[4] = even2 - odd2;
    y[5] = g[6 * taps - 1] * w[(taps - 1) * step];
}

INLINE void kernel_points(const float *w, const float *g, float *u, Long o, Long c, Long o_step, Long c_step, Long u_step, Long flipped, const int taps) {
    const int size = taps * taps;
    const float *end = w + (o - 1) * o_step + (c - 1) * c_step + size;
    for (Long block = 0; block < o; block += LANES)
        for (Long k = 0; k < c; k++) {
            Vector cells[25], columns[6][5];
UNROLLED
            for (int j = 0; j < size; j += LANES) {
                Vector v[LANES];
                for (int i = 0; i < LANES; i++) {
                    const float *from = w + (block + i) * o_step + k * c_step + j;
                    __builtin_prefetch(from + 6 * c_step);
                    v[i] = block + i >= o ? all(0.0f) : from + LANES <= end ? load(from) : load_some(from, least(LANES, size - j), 0.0f);
                }
                transpose(v);
                for (int i = 0; i < LANES && j + i < size; i++) cells[flipped ? size - 1 - j - i : j + i] = v[i];
            }
            Vector points[6];
UNROLLED
            for (int j = 0; j < taps; j++) {
                weight_points(g, cells + j, taps, points, taps);
                for (int i = 0; i < 6; i++) columns[i][j] = points[i];
            }
            float *to = u + block * c + k * LANES;
UNROLLED
            for (int i = 0; i < 6; i++) {
                weight_points(g, columns[i], 1, points, taps);
                for (int j = 0; j < 6; j++) store(to + (i * 6 + j) * u_step, points[j]);
            }
        }
}

/* Kernels of `taps` x `taps` weights at 36 points: u[point][block of LANES outputs][c][output]. Outputs from o on count as zeros. `flipped`: the
 * weights backwards. */
void NAME(winograd_weights)(const float *restrict w, const float *restrict g, float *restrict u, Long o, Long c, Long o_step, Long c_step,
                            Long u_step, Long taps, Long flipped) {
    if (taps == 3) kernel_points(w, g, u, o, c, o_step, c_step, u_step, flipped, 3);
    else kernel_points(w, g, u, o, c, o_step, c_step, u_step, flipped, 5);
}

/* to[i][j] += the sum over k < count of from[i * row + k * step] times vector k of `wide` blocks of vectors, which are `apart`; row i of `to` is
 * i * to_row. `add`: else the sum is written. */
INLINE void multiply_rows(const float *from, Long row, Long step, const float *vectors, Long next, Long apart, Long count, float *to, Long to_row,
                          int add, const int high, const int wide) {
    Vector sums[2 * HIGH][2];
    const float *base[(2 * HIGH + 2) / 3];
UNROLLED
    for (int i = 0; i < high; i++)
        for (int j = 0; j < wide; j++) sums[i][j] = all(0.0f);
UNROLLED
    for (int i = 0; i < high; i += 3) base[i / 3] = from + i * row;
    for (Long k = 0; k < count; k++) {
        Vector v[2];
        for (int j = 0; j < wide; j++) v[j] = load(vectors + j * apart);
        vectors += next;
UNROLLED
        for (int i = 0; i < high; i++) {
            float factor = base[i / 3][i % 3 * row];
            for (int j = 0; j < wide; j++) sums[i][j] += factor * v[j];
        }
UNROLLED
        for (int i = 0; i < high; i += 3) base[i / 3] += step;
    }
UNROLLED
    for (int i = 0; i < high; i++)
        for (int j = 0; j < wide; j++) {
            if (add) sums[i][j] += load(to + i * to_row + j * LANES);
            store(to + i * to_row + j * LANES, sums[i][j]);
        }
}

#define HIGHS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#if HIGH == 12
#define HIGHER(X) X(7) X(8) X(9) X(10) X(11) X(12)
#define HIGHEST(X) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24)
#else
#define HIGHER(X)
#define HIGHEST(X) X(7) X(8) X(9) X(10) X(11) X(12)
#endif

/* Tiles times weights: `tiles` rows of m, of `outputs` numbers (whole vectors), written or added to. v: rows of `wide` numbers, of which c are channels. */
static void multiply_tiles(const float *v, Long wide, const float *u, Long c, Long tiles, float *m, Long outputs, int add) {
    for (Long block = 0; block < outputs; block += 2 * LANES, u += 2 * LANES * c, m += 2 * LANES) {
        Long two = outputs - block > LANES, limit = two ? HIGH : 2 * HIGH, parts = (tiles + limit - 1) / limit;
        for (Long part = 0; part < parts; part++) {
            Long first = tiles * part / parts, high = tiles * (part + 1) / parts - first;
            const float *from = v + first * wide;
            float *to = m + first * outputs;
#define CASE(i) case i: multiply_rows(from, wide, 1, u, LANES, LANES * c, c, to, outputs, add, i, 2); break;
            if (two) switch (high) { HIGHS(CASE) HIGHER(CASE) }
#undef CASE
#define CASE(i) case i: multiply_rows(from, wide, 1, u, LANES, 0, c, to, outputs, add, i, 1); break;
            else switch (high) { HIGHS(CASE) HIGHER(CASE) HIGHEST(CASE) }
#undef CASE
        }
    }
}

/* The sums over tiles of products of the o channels of g (rows of `high` numbers) with the first `count` of those of v (rows of `wide`), whole vectors:
 * written to o rows of `count` sums, or added to them. */
static void multiply_channels(const float *g, Long high, Long o, const float *v, Long wide, Long count, Long tiles, float *sums, int add) {
    for (Long block = 0; block < count; block += 2 * LANES) {
        Long two = count - block > LANES, limit = two ? HIGH : 2 * HIGH, parts = (o + limit - 1) / limit;
        for (Long part = 0; part < parts; part++) {
            Long first = o * part / parts, some = o * (part + 1) / parts - first;
            float *to = sums + first * count + block;
#define CASE(i) case i: multiply_rows(g + first, 1, high, v + block, wide, LANES, tiles, to, count, add, i, 2); break;
            if (two) switch (some) { HIGHS(CASE) HIGHER(CASE) }
#undef CASE
#define CASE(i) case i: multiply_rows(g + first, 1, high, v + block, wide, 0, tiles, to, count, add, i, 1); break;
            else switch (some) { HIGHS(CASE) HIGHER(CASE) HIGHEST(CASE) }
#undef CASE
        }
    }
}

/* The first o of `outputs` channels of a block of rows, from m: 36 matrices (tiles x outputs) that are `apart`. A number that is finite if all are. */
INLINE double outputs_of_points(const float *m, Long apart, Long outputs, Long o, const float *bias, float *y, float *strip, const Long *y_places,
                                const float *a, const Tiling *s, Long row, Long rows, const int pixels) {
    const Long each = pixels * s->down, *tiles = tiles_of(s) + s->tw;
    Vector total = all(0.0f);
    for (Long k = 0; k < o; k += LANES) {
        Long channels = least(LANES, o - k);
        Vector add = load_some(bias + k, channels, 0.0f);
        for (Long done = 0, some; done < rows; done += some) {
            Long image = (row + done) / s->th, first = (row + done) % s->th;
            some = least(s->th - first, rows - done);
            for (Long i = 0; i < some; i++)
                for (Long j = 0; j < s->tw; j++) {
                    const float *from = m + ((done + i) * s->tw + j) * outputs + k;
                    float *to = strip + i * each * s->y_pitch * LANES + tiles[j];
                    Vector lines[4][6], points[6], results[4];
UNROLLED
                    for (int c = 0; c < 6; c++) {
                        for (int r = 0; r < 6; r++) points[r] = load(from + (r * 6 + c) * apart);
                        output_points(a, points, results, pixels);
                        for (int r = 0; r < pixels; r++) lines[r][c] = results[r];
                    }
UNROLLED
                    for (int r = 0; r < pixels; r++) {
                        output_points(a, lines[r], results, pixels);
                        for (int c = 0; c < pixels; c++) {
                            results[c] += add;
                            total += results[c];
                            store(to + (r * s->down * s->y_pitch + c * s->aside) * LANES, results[c]);
                        }
                    }
                }
            from_vectors(y + image * s->y_step + k * s->oh * s->ow, s->oh * s->ow, channels, y_places, first * each * s->ow,
                         least(s->oh, (first + some) * each) * s->ow, strip - first * each * s->y_pitch * LANES);
        }
    }
    return add_lanes(total);
}

INLINE double winograd_(const float *x, const float *u, const float *bias, float *y, float *frame, float *strip, float *v, float *m,
                        const Long *places, const Long *y_places, const float *a, const float *b, const Tiling *s, Long begin, Long end, Long o,
                        const int pixels) {
    Panels panels = one_panel(s->c, s->rows * s->tw);
    double total = 0.0;
    for (Long row = begin, rows; row < end; row += rows) {
        rows = least(s->rows, end - row);
        block_of_input(x, s, row, rows, places, frame, b, v, panels, pixels);
        for (Long range = 0; range < o; range += s->range) {
            Long outputs = least(s->range, whole(o - range)), apart = s->rows * s->tw * outputs + LANES;
            for (int p = 0; p < 36; p++)
                multiply_tiles(v + p * panels.apart, panels.wide, u + p * s->u_step + range * s->c, s->c, rows * s->tw, m + p * apart, outputs, 0);
            total += outputs_of_points(m, apart, outputs, least(outputs, o - range), bias + range, y + range * s->oh * s->ow, strip, y_places, a, s, row,
                                       rows, pixels);
        }
    }
    return total;
}

/* The rows of tiles of all images up to `end`, in shares of `step`, of which other threads take some. `scratch` has room for the frames of a block, for
 * its points and its products. totals: of each share a number that is finite if all its results are. */
void NAME(winograd)(const float *restrict x, const float *restrict u, const float *restrict bias, float *restrict y, const float *a, const float *b,
                    double *restrict totals, float *restrict scratch, const Long *table, Long step, Long end, Long pixels, const char *turn) {
    const Tiling *s = (const Tiling *)table;
    const Long *places = (const Long *)(s + 1), *y_places = places + s->h * s->w;
    float *strip = scratch + s->frame, *v = strip + s->strip, *m = v + s->points;
    memset(scratch, 0, sizeof(float) * s->frame);
    for (Long number; (number = take(turn)) * step < end;) {
        Long first = number * step, last = least(end, first + step);
        if (pixels == 4) totals[number] = winograd_(x, u, bias, y, scratch, strip, v, m, places, y_places, a, b, s, first, last, s->o, 4);
        else totals[number] = winograd_(x, u, bias, y, scratch, strip, v, m, places, y_places, a, b, s, first, last, s->o, 2);
    }
}

/* ACROSS channels' weights of a share of outputs, or their sums, stay in the second cache. So many are in a panel of the input's points. */
enum { ACROSS = 64 };

static inline Panels panels_of(const Tiling *s) {
    Long wide = least(ACROSS, whole(s->c)), tiles = s->rows * s->tw;
    return (Panels){wide, tiles, (s->c + wide - 1) / wide * wide * tiles + LANES};
}

/* A share of outputs of all rows, which are one block, from weights that are transformed while they are in the second cache. */
INLINE double winograd_share(const float *x, const float *w, const float *bias, float *y, float *frame, float *strip, float *v, float *m, float *u,
                             const Long *places, const Long *y_places, const float *a, const float *b, const float *g, const Tiling *s, Long o,
                             Long o_step, Long c_step, Long flipped, int ready, const int pixels) {
    Panels panels = panels_of(s);
    Panels products = one_panel(o, panels.tiles);
    if (!ready) block_of_input(x, s, 0, s->rows, places, frame, b, v, panels, pixels);
    for (Long k = 0; k < s->c; k += ACROSS) {
        Long some = least(ACROSS, s->c - k);
        kernel_points(w + k * c_step, g, u, o, some, o_step, c_step, s->u_step, flipped, 7 - pixels);
        for (int p = 0; p < 36; p++)
            multiply_tiles(v + p * panels.apart + k * panels.tiles, panels.wide, u + p * s->u_step, some, panels.tiles, m + p * products.apart,
                           products.wide, k > 0);
    }
    return outputs_of_points(m, products.apart, products.wide, o, bias, y, strip, y_places, a, s, 0, s->rows, pixels);
}

/* The same in shares of s->o of `o` outputs, and of all rows up to `end`. The weights of a share begin o_step * s->o behind those of the one before. If
 * all rows are one block, a thread transforms the tiles for its first share only. */
void NAME(winograd_outputs)(const float *restrict x, const float *restrict w, const float *restrict bias, float *restrict y, const float *a, const float *b,
                            const float *g, double *restrict totals, float *restrict scratch, const Long *table, Long o, Long end, Long o_step,
                            Long c_step, Long flipped, Long pixels, const char *turn) {
    const Tiling *s = (const Tiling *)table;
    const Long *places = (const Long *)(s + 1), *y_places = places + s->h * s->w;
    float *strip = scratch + s->frame, *v = strip + s->strip, *m = v + s->points, *u = m + s->products;
    int ready = 0, block = s->rows >= end;
    memset(scratch, 0, sizeof(float) * s->frame);
    for (Long number, first; (first = (number = take(turn)) * s->o) < o; ready = 1) {
        Long outputs = least(s->o, o - first);
        const float *from = w + first * o_step, *add = bias + first;
        float *to = y + first * s->oh * s->ow;
        if (block && pixels == 4)
            totals[number] = winograd_share(x, from, add, to, scratch, strip, v, m, u, places, y_places, a, b, g, s, outputs, o_step, c_step, flipped,
                                            ready, 4);
        else if (block)
            totals[number] = winograd_share(x, from, add, to, scratch, strip, v, m, u, places, y_places, a, b, g, s, outputs, o_step, c_step, flipped,
                                            ready, 2);
        else if (pixels == 4) {
            kernel_points(from, g, u, outputs, s->c, o_step, c_step, s->u_step, flipped, 3);
            totals[number] = winograd_(x, u, add, to, scratch, strip, v, m, places, y_places, a, b, s, 0, end, outputs, 4);
        } else {
            kernel_points(from, g, u, outputs, s->c, o_step, c_step, s->u_step, flipped, 5);
            totals[number] = winograd_(x, u, add, to, scratch, strip, v, m, places, y_places, a, b, s, 0, end, outputs, 2);
        }
    }
}

/* The gradient in the weights at 36 points, from such rows: sums[share][point][o][c], with whole(c) numbers in a row and a
 * vector behind each point. */
void NAME(winograd_back)(const float *restrict x, const float *restrict y, const float *a, const float *b, float *restrict sums,
                         float *restrict scratch, const Long *table, Long step, Long end, Long pixels, const char *turn) {
    const Tiling *s = (const Tiling *)table;
    const Long *places = (const Long *)(s + 1), *y_places = places + s->h * s->w;
    Panels xs = one_panel(s->c, s->rows * s->tw), ys = one_panel(s->o, s->rows * s->tw);
    Long total_apart = one_panel(s->c, s->o).apart;
    float *strip = scratch + s->frame, *v = strip + s->strip, *g = v + s->points;
    memset(scratch, 0, sizeof(float) * (s->frame + s->strip));
    for (Long number; (number = take(turn)) * step < end;) {
        float *total = sums + number * 36 * total_apart;
        Long begin = number * step, stop = least(end, begin + step);
        for (Long row = begin, rows; row < stop; row += rows) {
            rows = least(s->rows, stop - row);
            if (pixels == 4) {
                block_of_input(x, s, row, rows, places, scratch, b, v, xs, 4);
                block_of_gradient(y, s->o, s, row, rows, y_places, strip, a, g, ys, 4);
            } else {
                block_of_input(x, s, row, rows, places, scratch, b, v, xs, 2);
                block_of_gradient(y, s->o, s, row, rows, y_places, strip, a, g, ys, 2);
            }
            for (int p = 0; p < 36; p++)
                multiply_channels(g + p * ys.apart, ys.wide, s->o, v + p * xs.apart, xs.wide, xs.wide, rows * s->tw, total + p * total_apart, row > begin);
        }
    }
}

/* One line of a kernel from its values at 6 points: the contrary of weight_points. */
INLINE void taps_of_points(const float *g, const Vector m[6], Vector *w, const int taps) {
    const float *p = g + taps, *q = g + 3 * taps;
    Vector sum = m[1] + m[2], difference = m[1] - m[2], sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    for (int i = 0; i < taps; i += 2) w[i] = p[i] * sum + q[i] * sum2;
    for (int i = 1; i < taps; i += 2) w[i] = p[i] * difference + q[i] * difference2;
    w[0] += g[0] * m[0];
    w[taps - 1] += g[6 * taps - 1] * m[5];
}

/* The first c of `channels` channels of o kernels from `shares` sums at 36 points, which are `share` apart. */
INLINE void points_to_kernels(const float *sums, const float *g, float *dw, Long o, Long c, Long channels, Long share, Long shares, const int taps) {
    const int size = taps * taps;
    Panels at = one_panel(c, o); /* of sums, a row for each output */
    for (Long i = 0; i < o; i++)
        for (Long k = 0; k < c; k += LANES) {
            Vector points[6][6], columns[6][5], cells[25 + LANES];
            for (int p = 0; p < 36; p++) {
                const float *from = sums + p * at.apart + i * at.wide + k;
                Vector sum = load(from);
                for (Long j = 1; j < shares; j++) sum += load(from + j * share);
                points[p / 6][p % 6] = sum;
            }
            for (int r = 0; r < 6; r++) taps_of_points(g, points[r], columns[r], taps);
            for (int j = 0; j < taps; j++) {
                Vector column[6], kernel[5];
                for (int r = 0; r < 6; r++) column[r] = columns[r][j];
                taps_of_points(g, column, kernel, taps);
                for (int r = 0; r < taps; r++) cells[r * taps + j] = kernel[r];
            }
            for (int j = size; j < size + LANES; j++) cells[j] = all(0.0f);
            float *to = dw + (i * channels + k) * size;
UNROLLED
            for (int j = 0; j < size; j += LANES) { /* unrolled, so that each call of memcpy knows how much it copies */
                transpose(cells + j);
                for (Long l = 0; l < least(LANES, c - k); l++) memcpy(to + l * size + j, &cells[j + l], 4 * (size - j < LANES ? size - j : LANES));
            }
        }
}

/* The weights' gradient from its values at 36 points, `shares` sums that are `share` apart. */
void NAME(winograd_taps)(const float *restrict sums, const float *restrict g, float *restrict dw, Long o, Long c, Long share, Long shares,
                         Long taps) {
    if (taps == 3) points_to_kernels(sums, g, dw, o, c, c, share, shares, 3);
    else points_to_kernels(sums, g, dw, o, c, c, share, shares, 5);
}

/* The weights' gradient of deep layers, whose sums at 36 points would not stay in a cache: in shares of s->o of `o` outputs, from all rows, which are one
 * block. A thread transforms x for its first share only. */
void NAME(winograd_back_outputs)(const float *restrict x, const float *restrict y, const float *a, const float *b, const float *g, float *restrict dw,
                                 float *restrict scratch, const Long *table, Long o, Long pixels, const char *turn) {
    const Tiling *s = (const Tiling *)table;
    const Long *places = (const Long *)(s + 1), *y_places = places + s->h * s->w;
    Panels xs = panels_of(s);
    float *strip = scratch + s->frame, *v = strip + s->strip, *points = v + s->points, *sums = points + s->products;
    int ready = 0;
    memset(scratch, 0, sizeof(float) * (s->frame + s->strip));
    for (Long first; (first = take(turn) * s->o) < o; ready = 1) {
        Long outputs = least(s->o, o - first);
        Panels ys = one_panel(outputs, xs.tiles);
        const float *from = y + first * s->oh * s->ow;
        if (pixels == 4) {
            if (!ready) block_of_input(x, s, 0, s->rows, places, scratch, b, v, xs, 4);
            block_of_gradient(from, outputs, s, 0, s->rows, y_places, strip, a, points, ys, 4);
        } else {
            if (!ready) block_of_input(x, s, 0, s->rows, places, scratch, b, v, xs, 2);
            block_of_gradient(from, outputs, s, 0, s->rows, y_places, strip, a, points, ys, 2);
        }
        for (Long k = 0; k < s->c; k += ACROSS) {
            Long some = least(ACROSS, s->c - k), apart = one_panel(some, outputs).apart;
            for (int p = 0; p < 36; p++)
                multiply_channels(points + p * ys.apart, ys.wide, outputs, v + p * xs.apart + k * xs.tiles, xs.wide, whole(some), xs.tiles,
                                  sums + p * apart, 0);
            if (pixels == 4) points_to_kernels(sums, g, dw + (first * s->c + k) * 9, outputs, some, s->c, 0, 1, 3);
            else points_to_kernels(sums, g, dw + (first * s->c + k) * 25, outputs, some, s->c, 0, 1, 5);
        }
    }
}

/* ------------------------------------------------------------------------------------------------------- convolution
 * Direct convolution for any stride, dilation and number of axes: tables say where everything lies. A channel of an image is put in a frame of
 * zeros, `plane` numbers; there a row is cut into `phases` (the stride of the last axis) of `pitch` numbers each, so that the same cell of
 * neighbouring windows is in neighbouring numbers. A tile is TILE pixels of the output, of one row after another (segments). MOST of them
 * are multiplied with the same weights, so that many weights are read seldom, and written together.
 * Cell k of the windows that begin at place p of the frame is at p + cells[k], and is multiplied with w[output * w_row + weights[k]]. */
#define SPAN 3
#if defined(__AVX512F__)
#define OUTPUTS 8
#else
#define OUTPUTS 4
#endif
enum { TILE = SPAN * LANES, MOST = 5, LONG_TILE = MOST * TILE, DEEP = 204 };

typedef struct {
    Long c, h, w, o;                    /* channels, rows of a channel, numbers in a row of x; channels of y */
    Long x_step, y_step, y_plane;       /* from one image to the next, and from one channel of y to the next */
    Long rows, ow, out_step;            /* rows of y in a channel, pixels in a row, from one pixel to the next */
    Long cells, w_row, plane, phases, pitch, left, way;
    Long taps, spread, before, width;   /* SPREAD: cells of a kernel row, how far apart, columns before the first of y, numbers in a row of y */
    Long turned;                        /* numbers of room for weights with channels in vectors */
} Shape;
/* What a call of several threads shares: shares of `images` images and `outputs` channels of y, numbered through, of which each thread takes the
 * next that is left. In it, `group` images are put in frames together. Behind this struct come the plans, each a Shape with its tables. */
typedef struct { Long plans, n, o, images, outputs, shares, group, frames, turned; } Work; /* frames, turned: numbers of room, for all plans */
typedef struct { Long image, end, output, outputs; } Share;
typedef struct { const Long *in, *cells, *weights, *starts, *outs, *ranges; } Tables; /* ranges: SPREAD, for each row its first cell and their end */
typedef struct { Long image, row, column; } Place; /* in the pixels of some images, row by row */
typedef struct { Long from, to, count, at; } Segment; /* in the frame, in y, how many pixels, where in the tile */

static inline Share share_of(const Work *work, Long number) {
    Long across = (work->o + work->outputs - 1) / work->outputs, image = number / across * work->images, output = number % across * work->outputs;
    Long end = image + work->images < work->n ? image + work->images : work->n;
    return (Share){image, end, output, work->o - output < work->outputs ? work->o - output : work->outputs};
}

static inline Tables tables_of(const Shape *s) {
    const Long *in = (const Long *)(s + 1), *cells = in + s->h, *weights = cells + s->cells, *starts = weights + s->cells;
    return (Tables){in, cells, weights, starts, starts + s->rows, starts + 2 * s->rows};
}

static inline const Shape *next_plan(const Shape *s) { return (const Shape *)(tables_of(s).ranges + (s->taps ? 2 * s->rows : 0)); }

static inline void copy(const float *from, float *to, Long count) {
    Long i = 0;
    for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
    if (i < count && count >= LANES) { store(to + count - LANES, load(from + count - LANES)); return; }
    for (; i + 4 <= count; i += 4) memcpy(to + i, from + i, 16);
    if (i < count) to[i] = from[i];
    if (i + 1 < count) to[i + 1] = from[i + 1];
    if (i + 2 < count) to[i + 2] = from[i + 2];
}

/* Put n images in frames. in: where each row of a channel begins in its frame, or -1. */
static void put_in_frames(const float *x, float *frame, const Long *in, const Shape *s, Long n) {
    Long near = s->left < 0 ? -s->left : 0, far = s->phases * s->pitch - s->left;
    far = far > s->w ? s->w : far;
    Long seen = 1, across = s->phases * s->pitch; /* phases, from the first one on, of which a cell of the kernel sees something */
    if (s->phases > 1)
        for (Long k = 0; k < s->cells / s->c; k++) seen = most(seen, tables_of(s).cells[k] % across / s->pitch + 1);
    for (Long image = 0; image < n; image++)
        for (Long k = 0; k < s->c; k++)
            for (Long i = 0; i < s->h; i++) {
                if (in[i] < 0) continue;
                const float *row = x + image * s->x_step + (k * s->h + i) * s->w;
                float *to = frame + (image * s->c + k) * s->plane + in[i];
                if (s->phases == 1) { if (near < far) copy(row + near, to + near + s->left, far - near); continue; }
                for (Long phase = 0; phase < seen; phase++) {
                    Long first = near + ((phase - near - s->left) % s->phases + s->phases) % s->phases, j = 0;
                    Long count = (far - first + s->phases - 1) / s->phases;
                    const float *from = row + first;
                    float *place = to + phase * s->pitch + (first + s->left) / s->phases;
                    if (s->phases == 2)
                        for (; j + LANES <= count && first + 2 * (j + LANES) <= s->w; j += LANES) store(place + j, evens(from + 2 * j));
                    if (s->phases == 2 && LANES > 4) /* short rows, and what is left of others */
                        for (Long some; j < count; j += some) {
                            some = least(LANES, count - j);
                            Long left = 2 * some - 1;
                            Vector a = load_some(from + 2 * j, least(LANES, left), 0.0f), b = load_some(from + 2 * j + LANES, most(0, left - LANES), 0.0f);
                            store_some(place + j, SHUFFLE(a, b, EVENS), some);
                        }
                    for (; j < count; j++) place[j] = from[s->phases * j];
                }
            }
}

/* `count` pixels further; a row has `length` of them. */
static inline void advance(Place *p, const Shape *s, Long count, Long length) {
    p->column += count;
    if (p->column < length) return;
    p->column = 0;
    if (++p->row < s->rows) return;
    p->row = 0;
    p->image++;
}

/* The segments of the next `size` pixels; a row has `length` of them, of which those from s->ow on are dropped. */
static Long segments(Segment *to, const Shape *s, const Tables *t, Place *p, Long size, Long length) {
    Long count = 0;
    for (Long at = 0, some; at < size; at += some) {
        some = length - p->column < size - at ? length - p->column : size - at;
        Long known = s->ow - p->column < some ? s->ow - p->column : some;
        if (known > 0)
            to[count++] = (Segment){p->image * s->c * s->plane + t->starts[p->row] + p->column,
                                    p->image * s->y_step + t->outs[p->row] + p->column * s->out_step, known, at};
        advance(p, s, some, length);
    }
    return count;
}

/* Rows of `size` numbers, one for each cell: what windows of the segments see there. May write LANES more behind a row. */
static inline void pack(float *panel, const float *frame, const Long *cells, Long count, const Segment *segment, Long segments, Long size) {
    int32_t from[LONG_TILE + 1], to[LONG_TILE + 1]; /* of each vector; they may overlap */
    Long many = 0;
    for (Long i = 0; i < segments; i++)
        for (Long j = 0; j < segment[i].count; j += LANES) {
            from[many] = (int32_t)(segment[i].from + j);
            to[many++] = (int32_t)(segment[i].at + j);
        }
    for (Long k = 0; k < count; k++, panel += size) {
        const float *cell = frame + cells[k];
        for (Long i = 0; i < many; i++) store(panel + to[i], load(cell + from[i]));
    }
}

/* to: `outputs` rows of TILE numbers, `size` apart, plus the products with `count` cells; cell k of vector v is at base[v] + from[k]. With a bias,
 * they begin with it. */
static inline __attribute__((always_inline)) void multiply(const float *w, const Long *weights, Long w_row, const float *const *base, const Long *from,
                                                           Long count, const float *bias, float *to, Long size, const int outputs) {
    Vector sums[OUTPUTS][SPAN];
    if (bias)
        for (int i = 0; i < outputs; i++)
            for (int v = 0; v < SPAN; v++) sums[i][v] = all(bias[i]);
    else
        for (int i = 0; i < outputs; i++)
            for (int v = 0; v < SPAN; v++) sums[i][v] = load(to + i * size + v * LANES);
    for (Long k = 0; k < count; k++) {
        const float *weight = w + weights[k];
        Vector cell[SPAN];
        for (int v = 0; v < SPAN; v++) cell[v] = load(base[v] + from[k]);
        for (int i = 0; i < outputs; i++) {
            float factor = weight[i * w_row];
            for (int v = 0; v < SPAN; v++) sums[i][v] += factor * cell[v];
        }
    }
    for (int i = 0; i < outputs; i++)
        for (int v = 0; v < SPAN; v++) store(to + i * size + v * LANES, sums[i][v]);
}

static void multiply_some(const float *w, const Long *weights, Long w_row, const float *const *base, const Long *from, Long count,
                          const float *bias, float *to, Long size, Long outputs) {
    switch (outputs) {
#define CASE(i) case i: multiply(w, weights, w_row, base, from, count, bias, to, size, i); break;
        CASE(1) CASE(2) CASE(3) CASE(4)
#if OUTPUTS == 8
        CASE(5) CASE(6) CASE(7) CASE(8)
#endif
#undef CASE
    }
}

/* There are three ways to cut the pixels into vectors (s->way): PACKED, one behind the other, copied to the panel; FLAT, as they lie in the
 * frame, with what is between the rows; WHOLE, each row by itself, the last vector of a row perhaps with few pixels. Or vectors hold CHANNELS of y; or, of an
 * input gradient with few channels, all that a pixel gives to a row of y, which is then SPREAD there. */
enum { PACKED, FLAT, WHOLE, CHANNELS, SPREAD, RUN = 512 };

/* Weights of `o` channels (times taps, the channels of one after the other) with these in vectors: for each two vectors of channels (the last block may
 * be one) the bias, then a row for each cell. */
static void turn_weights(const float *w, const float *bias, const Long *weights, Long cells, Long w_row, Long channels, Long o, float *to) {
    float runs[LANES][RUN + 16]; /* neighbours of a channel: one channel after another, as lines of so many push each other out of the first cache */
    for (Long first = 0; first < o; first += 2 * LANES) {
        Long size = o - first > LANES ? 2 * LANES : LANES, known = o - first < size ? o - first : size;
        const float *from[2 * LANES];
        for (Long i = 0; i < size; i++) {
            Long channel = (first + i) % channels;
            to[i] = i < known ? bias[channel] : 0.0f;
            from[i] = i < known ? w + channel * w_row + (first + i) / channels : 0;
        }
        for (Long k = 0, count; k < cells; k += count) { /* a square at a time, for rows of the result are far from one another */
            Long adjacent = 1, longest = known == size ? least(RUN, cells - k) : LANES;
            while (adjacent < longest && weights[k + adjacent] == weights[k] + adjacent) adjacent++;
            count = adjacent < LANES ? least(LANES, cells - k) : adjacent / LANES * LANES;
            for (Long half = 0; half < size; half += LANES) {
                Vector v[LANES];
                if (adjacent >= LANES && from[half + LANES - 1]) {
                    for (int i = 0; i < LANES; i++)
                        for (Long j = 0; j < count; j += LANES) {
                            if (half + LANES < size) __builtin_prefetch(from[half + LANES + i] + weights[k] + j);
                            else __builtin_prefetch(from[i] + weights[k] + count + j);
                            v[0] = load(from[half + i] + weights[k] + j);
                            store(runs[i] + j, v[0]);
                        }
                } else
                    for (int i = 0; i < LANES; i++)
                        for (Long j = 0; j < LANES; j++) runs[i][j] = from[half + i] && j < count ? from[half + i][weights[k + j]] : 0.0f;
                for (Long j = 0; j < count; j += LANES) {
                    for (int i = 0; i < LANES; i++) v[i] = load(runs[i] + j);
                    transpose(v);
                    for (Long l = 0; l < least(LANES, count - j); l++) store(to + (k + j + l + 1) * size + half, v[l]);
                }
            }
        }
        to += (cells + 1) * size;
    }
}

/* `high` pixels, which lie side by side from x on, times turned weights: `wide` vectors of each. */
INLINE void multiply_places(const float *x, const Long *cells, Long count, const float *bias, const float *w, float *to, const int high, const int wide) {
    Vector sums[2 * HIGH][2];
UNROLLED
    for (int i = 0; i < high; i++)
        for (int j = 0; j < wide; j++) sums[i][j] = load(bias + j * LANES);
    for (Long k = 0; k < count; k++, w += wide * LANES) {
        const float *place = x + cells[k];
        Vector v[2];
        for (int j = 0; j < wide; j++) v[j] = load(w + j * LANES);
UNROLLED
        for (int i = 0; i < high; i++)
            for (int j = 0; j < wide; j++) sums[i][j] += place[i] * v[j];
    }
UNROLLED
    for (int i = 0; i < high; i++)
        for (int j = 0; j < wide; j++) store(to + (i * wide + j) * LANES, sums[i][j]);
}

/* The pixels of a row, which begins at x, times the cells from `begin` to `end` of a block of turned weights. */
static void multiply_row(const float *x, const Long *cells, Long begin, Long end, const float *block, float *to, Long ow, Long two) {
    Long limit = two ? HIGH : 2 * HIGH, parts = (ow + limit - 1) / limit, step = two ? 2 * LANES : LANES;
    const float *w = block + (begin + 1) * step;
    for (Long part = 0; part < parts; part++) {
        Long first = ow * part / parts, high = ow * (part + 1) / parts - first;
#define CASE(i) case i: multiply_places(x + first, cells + begin, end - begin, block, w, to + first * step, i, 2); break;
        if (two) switch (high) { HIGHS(CASE) HIGHER(CASE) }
#undef CASE
#define CASE(i) case i: multiply_places(x + first, cells + begin, end - begin, block, w, to + first * step, i, 1); break;
        else switch (high) { HIGHS(CASE) HIGHER(CASE) HIGHEST(CASE) }
#undef CASE
    }
}

/* As convolve_group, with turned weights; `room` for a row, two vectors for each pixel, and LANES pixels more. */
static void convolve_channels(const float *w, float *y, float *frame, float *room, const Shape *s, Long n, Long o) {
    Tables t = tables_of(s);
    /* where vectors are longer than a row, what lies behind it is overwritten next; but not behind the last rows, or where other plans write */
    Long end = t.outs[s->rows - 1] + s->ow, adjacent = end - t.outs[0] == s->rows * s->ow;
    for (Long image = 0; image < n; image++, y += s->y_step, frame += s->c * s->plane) {
        const float *block = w;
        for (Long first = 0; first < o; first += 2 * LANES) {
            Long wide = o - first > LANES ? 2 : 1;
            for (Long row = 0; row < s->rows; row++) {
                multiply_row(frame + t.starts[row], t.cells, 0, s->cells, block, room, s->ow, wide == 2);
                for (Long j = 0; j < wide; j++)
                    for (Long i = 0; i < s->ow; i += LANES) {
                        if (s->ow - i < LANES && s->ow > LANES) i = s->ow - LANES; /* some once more */
                        Long count = s->ow - i < LANES ? s->ow - i : LANES, begin = first + j * LANES;
                        float *out = y + begin * s->y_plane + t.outs[row] + i * s->out_step;
                        Vector v[LANES];
                        for (int k = 0; k < LANES; k++) v[k] = load(room + ((i + k) * wide + j) * LANES);
                        transpose(v);
                        int whole_vector = s->out_step == 1 && (count == LANES || (adjacent && t.outs[row] + LANES <= end));
                        for (Long k = 0; k < LANES && begin + k < o; k++, out += s->y_plane) {
                            if (whole_vector) store(out, v[k]);
                            else for (Long l = 0; l < count; l++) out[l * s->out_step] = v[k][l];
                        }
                    }
            }
            block += (s->cells + 1) * wide * LANES;
        }
    }
}

/* The same for an input gradient, of which each pixel gives s->o numbers to each of s->taps columns of a row. Only what there is, is multiplied: no zeros
 * around it. `room` as there, and for a row of y with zeros around it, in each channel. */
static void convolve_spread(const float *w, float *y, float *frame, float *room, const Shape *s, Long n) {
    Tables t = tables_of(s);
    Long o = s->taps * s->o, length = s->ow + (s->taps - 1) * s->spread, pitch = whole(most(length, s->before + s->width)) + LANES;
    float *lines = room + (s->ow + LANES) * 2 * LANES;
    for (Long image = 0; image < n; image++, y += s->y_step, frame += s->c * s->plane)
        for (Long row = 0; row < s->rows; row++) {
            const float *block = w;
            memset(lines, 0, sizeof(float) * s->o * pitch);
            for (Long first = 0; first < o; first += 2 * LANES) {
                Long wide = o - first > LANES ? 2 : 1;
                multiply_row(frame + t.starts[row], t.cells, t.ranges[2 * row], t.ranges[2 * row + 1], block, room, s->ow, wide == 2);
                for (Long j = 0; j < wide; j++)
                    for (Long i = 0; i < s->ow; i += LANES) {
                        Long begin = first + j * LANES, tap = begin / s->o, channel = begin % s->o;
                        Vector v[LANES];
                        for (int k = 0; k < LANES; k++) v[k] = i + k < s->ow ? load(room + ((i + k) * wide + j) * LANES) : all(0.0f);
                        transpose(v);
                        for (Long k = 0; k < LANES && begin + k < o; k++) {
                            float *to = lines + channel * pitch + i + tap * s->spread;
                            Vector sum = load(to) + v[k];
                            store(to, sum);
                            if (++channel == s->o) channel = 0, tap++;
                        }
                    }
                block += (s->cells + 1) * wide * LANES;
            }
            for (Long k = 0; k < s->o; k++) copy(lines + k * pitch + s->before, y + k * s->y_plane + t.outs[row], s->width);
        }
}

/* A group of n images, and `o` channels of y. `frame`: zeros, with LONG_TILE + LANES more at the end; `panel` has room for DEEP long tiles and LANES numbers if
 * pixels are packed; `room` for a long tile of each output. */
static void convolve_group(const float *w, const float *bias, float *y, float *frame, float *panel, float *room, const Shape *s,
                           Long n, Long o) {
    Tables t = tables_of(s);
    Long lines[DEEP], length = s->way == PACKED ? s->ow : s->way == FLAT ? s->pitch : (s->ow + LANES - 1) / LANES * LANES;
    Long size = LONG_TILE, together = s->way == FLAT ? 1 : n, pixels = s->rows * together * length;
    Segment segment[LONG_TILE + 1];
    if (s->way == PACKED)
        for (Long k = 0; k < DEEP && k < s->cells; k++) lines[k] = k * size;
    for (Long domain = 0; domain < n; domain += together) {
        const float *base = frame + domain * s->c * s->plane, *vectors[MOST * SPAN];
        float *to = y + domain * s->y_step;
        Place place = {0, 0, 0}, seen = place;
        for (Long pixel = 0; pixel < pixels; pixel += size) {
            Long some = pixels - pixel < size ? pixels - pixel : size, tiles = (some + TILE - 1) / TILE;
            Long many = segments(segment, s, &t, &place, some, length);
            for (Long v = 0; v < tiles * SPAN; v++) {
                Long at = pixel + v * LANES;
                if (s->way == PACKED) vectors[v] = panel + v * LANES;
                else if (s->way == FLAT) vectors[v] = base + at;
                else if (at >= pixels) vectors[v] = base;
                else {
                    vectors[v] = base + seen.image * s->c * s->plane + t.starts[seen.row] + seen.column;
                    advance(&seen, s, LANES, length);
                }
            }
            for (Long first = 0; first < s->cells; first += DEEP) {
                Long count = s->cells - first < DEEP ? s->cells - first : DEEP;
                if (s->way == PACKED) pack(panel, base, t.cells + first, count, segment, many, size);
                for (Long k = 0; k < o; k += OUTPUTS)
                    for (Long tile = 0; tile < tiles; tile++)
                        multiply_some(w + k * s->w_row, t.weights + first, s->w_row, vectors + tile * SPAN,
                                      s->way == PACKED ? lines : t.cells + first, count, first ? 0 : bias + k, room + k * size + tile * TILE, size,
                                      o - k < OUTPUTS ? o - k : OUTPUTS);
            }
            for (Long k = 0; k < o; k++)
                for (Long i = 0; i < many; i++) {
                    const float *from = room + k * size + segment[i].at;
                    float *out = to + k * s->y_plane + segment[i].to;
                    if (s->out_step == 1) copy(from, out, segment[i].count);
                    else for (Long j = 0; j < segment[i].count; j++) out[j * s->out_step] = from[j];
                }
        }
    }
}

/* The shares that other threads do not take. `scratch` has room for frames, then for the panel and the tiles. The plans write different pixels of y;
 * they take turns with a group of images, which are in the cache. */
void NAME(convolve)(const float *restrict x, const float *restrict w, const float *restrict bias, float *restrict y, float *restrict scratch,
                    const Long *table, Long panel, const char *turn) {
    const Work *work = (const Work *)table;
    float *behind = scratch + work->frames + work->turned;
    Long turned = -1, framed = -1; /* the first output whose weights are; the first image of the group that is in frames */
    memset(scratch, 0, sizeof(float) * work->frames);
    for (Long number; (number = take(turn)) < work->shares;) {
        Share share = share_of(work, number);
        if (turned != share.output) {
            const Shape *s = (const Shape *)(work + 1);
            float *to = scratch + work->frames;
            for (Long i = 0; i < work->plans; i++, to += s->turned, s = next_plan(s))
                if (s->way == CHANNELS || s->way == SPREAD)
                    turn_weights(w + share.output * s->w_row, bias + share.output, tables_of(s).weights, s->cells, s->w_row, share.outputs,
                                 share.outputs * (s->way == SPREAD ? s->taps : 1), to);
            turned = share.output;
        }
        for (Long image = share.image, n; image < share.end; image += n) {
            n = share.end - image < work->group ? share.end - image : work->group;
            const Shape *s = (const Shape *)(work + 1);
            float *weights = scratch + work->frames;
            if (framed != image) put_in_frames(x + image * s->x_step, scratch, tables_of(s).in, s, n);
            framed = image;
            for (Long i = 0; i < work->plans; i++, weights += s->turned, s = next_plan(s)) {
                float *to = y + image * s->y_step + share.output * s->y_plane;
                if (s->way == SPREAD) convolve_spread(weights, to, scratch, behind + panel, s, n);
                else if (s->way == CHANNELS) convolve_channels(weights, to, scratch, behind + panel, s, n, share.outputs);
                else convolve_group(w + share.output * s->w_row, bias + share.output, to, scratch, behind, behind + panel, s, n, share.outputs);
            }
        }
    }
}

/* The products of `high` cells with `wide` vectors of output channels over the pixels of segments, added to sums. What a pixel sees at a cell is in the
 * frame, `cells` further than its window begins. */
INLINE void multiply_pixels(const float *frame, const Long *cells, const Segment *segment, Long segments, const float *turned, float *sums, Long o,
                            const int high, const int wide) {
    Vector total[2 * HIGH][2];
UNROLLED
    for (int i = 0; i < high; i++)
        for (int v = 0; v < wide; v++) total[i][v] = all(0.0f);
    for (Long k = 0; k < segments; k++) {
        const float *x = frame + segment[k].from, *from = turned + segment[k].at * wide * LANES, *end = from + segment[k].count * wide * LANES;
        for (; from < end; from += wide * LANES, x++) {
            Vector g[2];
            for (int v = 0; v < wide; v++) g[v] = load(from + v * LANES);
UNROLLED
            for (int i = 0; i < high; i++) {
                float cell = x[cells[i]];
                for (int v = 0; v < wide; v++) total[i][v] += cell * g[v];
            }
        }
    }
UNROLLED
    for (int i = 0; i < high; i++)
        for (int v = 0; v < wide; v++) {
            float *to = sums + i * o + v * LANES;
            store(to, load(to) + total[i][v]);
        }
}

/* `count` cells with all channels of y, of which o numbers are in a row of sums. */
static void multiply_cells(const float *frame, const Long *cells, Long count, const Segment *segment, Long many, const float *turned, float *sums,
                           Long o) {
    for (Long block = 0; block < o; block += 2 * LANES, turned += 2 * LANES * LONG_TILE) {
        Long two = o - block > LANES, limit = two ? HIGH : 2 * HIGH, parts = (count + limit - 1) / limit;
        for (Long part = 0; part < parts; part++) {
            Long first = count * part / parts, high = count * (part + 1) / parts - first;
            float *to = sums + first * o + block;
#define CASE(i) case i: multiply_pixels(frame, cells + first, segment, many, turned, to, o, i, 2); break;
            if (two) switch (high) { HIGHS(CASE) HIGHER(CASE) }
#undef CASE
#define CASE(i) case i: multiply_pixels(frame, cells + first, segment, many, turned, to, o, i, 1); break;
            else switch (high) { HIGHS(CASE) HIGHER(CASE) HIGHEST(CASE) }
#undef CASE
        }
    }
}

/* The pixels of segments with the channels in vectors, in blocks of two vectors, the last one perhaps of one. y is in one piece up to `end`. */
static void turn_pixels(const float *y, const float *end, const Shape *s, Long outputs, const Segment *segment, Long many, float *turned) {
    Long o = whole(outputs);
    for (Long first = 0; first < o; first += LANES) {
        Long block = first / (2 * LANES) * 2 * LANES, wide = o - block < 2 * LANES ? LANES : 2 * LANES, known = least(LANES, outputs - first);
        float *column = turned + block * LONG_TILE + first - block;
        for (Long i = 0; i < many; i++)
            for (Long j = 0; j < segment[i].count; j += LANES) {
                const float *from = y + first * s->y_plane + segment[i].to + j;
                Long count = least(LANES, segment[i].count - j);
                Vector v[LANES];
                if (known == LANES && from + (LANES - 1) * s->y_plane + LANES <= end)
                    for (int k = 0; k < LANES; k++) v[k] = load(from + k * s->y_plane);
                else
                    for (int k = 0; k < LANES; k++) v[k] = k < known ? load_some(from + k * s->y_plane, count, 0.0f) : all(0.0f);
                transpose(v);
                for (Long k = 0; k < count; k++) store(column + (segment[i].at + j + k) * wide, v[k]);
            }
    }
}

/* The sums of the pixels of `count` channels from `y` on, of each of so many images that are `step` apart. */
static void add_pixels(const float *y, float *to, Long count, Long plane, Long images, Long step) {
    for (Long i = 0; i < count; i++) {
        double total = 0;
        for (Long image = 0; image < images; image++) total += row_sum(y + image * step + i * plane, plane);
        to[i] = total;
    }
}

/* The gradient in the weights, and in the bias unless `db` is NULL; y is the gradient of the result. Each share of images writes one of its own, `apart`
 * from the next (else that is 0).
 * `scratch` has room for frames, a long tile of the output channels, and their sums, a row for each cell. The number of channels is a multiple of LANES
 * there. */
void NAME(convolve_back)(const float *restrict x, const float *restrict y, float *restrict dw, float *restrict scratch, const Long *table,
                         Long apart, float *restrict db, const char *turn) {
    const Work *work = (const Work *)table;
    const Shape *s = (const Shape *)(work + 1);
    Tables t = tables_of(s);
    float *frame = scratch, *turned = scratch + work->frames, *sums = turned + whole(work->outputs) * LONG_TILE;
    Segment segment[LONG_TILE + 1];
    memset(frame, 0, sizeof(float) * work->frames);
    for (Long number; (number = take(turn)) < work->shares;) {
        Share share = share_of(work, number);
        Long o = whole(share.outputs);
        memset(sums, 0, sizeof(float) * s->cells * o);
        if (db)
            add_pixels(y + share.image * s->y_step + share.output * s->y_plane, db + (apart ? number * s->o : 0) + share.output, share.outputs,
                       s->y_plane, share.end - share.image, s->y_step);
        for (Long image = share.image, images; image < share.end; image += images) {
            images = share.end - image < work->group ? share.end - image : work->group;
            put_in_frames(x + image * s->x_step, frame, t.in, s, images);
            const float *from = y + image * s->y_step + share.output * s->y_plane;
            Long pixels = s->rows * images * s->ow, parts = (pixels + LONG_TILE - 1) / LONG_TILE, most = (pixels + parts - 1) / parts;
            Place place = {0, 0, 0};
            for (Long pixel = 0, size; pixel < pixels; pixel += size) {
                size = pixels - pixel < most ? pixels - pixel : most;
                Long many = segments(segment, s, &t, &place, size, s->ow);
                turn_pixels(from, y + work->n * s->y_step, s, share.outputs, segment, many, turned);
                multiply_cells(frame, t.cells, s->cells, segment, many, turned, sums, o);
            }
        }
        float *to = dw + number * apart + share.output * s->w_row;
        for (Long first = 0; first < s->cells; first += 64)
            for (Long i = 0; i < share.outputs; i++)
                for (Long k = first; k < s->cells && k < first + 64; k++) to[i * s->w_row + t.weights[k]] = sums[k * o + i];
    }
}

/* -------------------------------------------------------------------------- gradients of weights with few output channels
 * Images are put in a frame of zeros, c planes of rows of `pitch` numbers, and results are summed over all places of the frame. */

static inline void put_in_frame(const float *x, float *frame, Long c, Long h, Long w, Long top, Long left, Long pitch, Long plane) {
    for (Long k = 0; k < c; k++)
        for (Long i = 0; i < h; i++) memcpy(frame + k * plane + (i + top) * pitch + left, x + (k * h + i) * w, 4 * w);
}

enum { TOGETHER = 3 };

/* The gradient in the weights and the bias (unless `db` is NULL), of kernels with 5 columns, from every `each` images one; o is a multiple of TOGETHER, of which `known` are
 * channels. `scratch` has room for c planes of the frame, one more, o planes of the gradient, and one vector for each weight. */
void NAME(convolve_weights)(const float *restrict x, const float *restrict g, float *restrict dw, float *restrict scratch, Long n, Long c, Long h,
                            Long w, Long o, Long known, Long oh, Long ow, Long kh, Long top, Long left, Long pitch, Long plane, Long each,
                            float *restrict db, const char *turn) {
    Long weights = c * kh * 5, apart = weights * LANES;
    float *frame = scratch, *room = frame + (c + 1) * plane, *sums = room + o * plane;
    memset(scratch, 0, sizeof(float) * (sums - scratch));
    for (Long number; (number = take(turn)) * each < n;) {
        memset(sums, 0, sizeof(float) * o * apart);
        if (db) add_pixels(g + number * each * known * oh * ow, db + number * known, known, oh * ow, least(each, n - number * each), known * oh * ow);
        for (Long image = number * each; image < n && image < (number + 1) * each; image++) {
            put_in_frame(x + image * c * h * w, frame, c, h, w, top, left, pitch, plane);
            put_in_frame(g + image * known * oh * ow, room, known, oh, ow, 0, 0, pitch, plane);
            for (Long first = 0; first < o; first += TOGETHER)
                for (Long row = 0; row < c * kh; row++) {
                    float *to = sums + first * apart + row * 5 * LANES;
                    const float *cells = frame + row / kh * plane + row % kh * pitch, *gradients = room + first * plane;
                    Vector s[TOGETHER][5];
                    for (int k = 0; k < TOGETHER; k++)
                        for (int j = 0; j < 5; j++) s[k][j] = load(to + k * apart + j * LANES);
                    for (Long at = 0; at < oh * pitch; at += LANES) {
                        Vector gradient[TOGETHER];
                        for (int k = 0; k < TOGETHER; k++) gradient[k] = load(gradients + k * plane + at);
                        for (int j = 0; j < 5; j++) {
                            Vector cell = in_register(load(cells + at + j));
                            for (int k = 0; k < TOGETHER; k++) s[k][j] += gradient[k] * cell;
                        }
                    }
                    for (int k = 0; k < TOGETHER; k++)
                        for (int j = 0; j < 5; j++) store(to + k * apart + j * LANES, s[k][j]);
                }
        }
        for (Long i = 0; i < known * weights; i++) dw[number * known * weights + i] = add_lanes(load(sums + i * LANES));
    }
}

/* The same for each image by itself. A vector holds output channels, so that nothing is summed across it: it is for few pixels.
 * `scratch` has room for c + 1 planes of the frame, and for g with the o channels, a multiple of LANES, of which some are `known`, as the last axis. */
#define WEIGHTS_OF_IMAGE(name, KW)                                                                                                          \
    static void name(const float *frame, const float *turned, float *dw, Long c, Long o, Long known, Long oh, Long ow, Long kh, Long pitch, \
                     Long plane) {                                                                                                          \
        for (Long first = 0; first < o; first += LANES)                                                                                     \
            for (Long row = 0; row < c * kh; row++) {                                                                                       \
                const float *cells = frame + row / kh * plane + row % kh * pitch, *gradients = turned + first;                              \
                Vector s[KW], t[KW]; /* of every other pixel: an addition waits for the one before */                                       \
                for (int j = 0; j < KW; j++) s[j] = t[j] = all(0.0f);                                                                       \
                for (Long y = 0; y < oh; y++, cells += pitch) {                                                                             \
                    Long i = 0;                                                                                                             \
                    for (; i + 2 <= ow; i += 2, gradients += 2 * o) {                                                                       \
                        Vector one = load(gradients), two = load(gradients + o);                                                            \
                        for (int j = 0; j < KW; j++) s[j] += one * cells[i + j];                                                            \
                        for (int j = 0; j < KW; j++) t[j] += two * cells[i + 1 + j];                                                        \
                    }                                                                                                                       \
                    for (; i < ow; i++, gradients += o) {                                                                                   \
                        Vector one = load(gradients);                                                                                       \
                        for (int j = 0; j < KW; j++) s[j] += one * cells[i + j];                                                            \
                    }                                                                                                                       \
                }                                                                                                                           \
                for (int j = 0; j < KW; j++) {                                                                                              \
                    float sums[LANES];                                                                                                      \
                    s[j] += t[j];                                                                                                           \
                    store(sums, s[j]);                                                                                                      \
                    for (Long k = 0; k < LANES && first + k < known; k++) dw[((first + k) * c * kh + row) * KW + j] = sums[k];              \
                }                                                                                                                           \
            }                                                                                                                               \
    }
WEIGHTS_OF_IMAGE(weights3, 3)
WEIGHTS_OF_IMAGE(weights5, 5)

void NAME(convolve_weights_each)(const float *restrict x, const float *restrict g, float *restrict dw, float *restrict scratch, Long n, Long c,
                                 Long h, Long w, Long o, Long known, Long oh, Long ow, Long kh, Long kw, Long top, Long left, Long pitch,
                                 Long plane, const char *turn) {
    float *frame = scratch, *turned = frame + (c + 1) * plane;
    memset(scratch, 0, sizeof(float) * ((c + 1) * plane + o * oh * ow));
    for (Long image; (image = take(turn)) < n;) {
        const float *from = g + image * known * oh * ow;
        put_in_frame(x + image * c * h * w, frame, c, h, w, top, left, pitch, plane);
        for (Long k = 0; k < known; k++)
            for (Long i = 0; i < oh * ow; i++) turned[i * o + k] = from[k * oh * ow + i];
        (kw == 3 ? weights3 : weights5)(frame, turned, dw + image * known * c * kh * kw, c, o, known, oh, ow, kh, pitch, plane);
    }
}

/* ------------------------------------------------------------------------------------------------- depthwise convolution
 * Each channel has a kernel of its own. A plane is copied into a frame of zeros, where columns that are a stride apart are neighbours: a row of the
 * frame is sw rows of `pitch` numbers. So what one cell of the kernel sees of a row of pixels is in one piece, whatever the stride. */
typedef struct {
    Long channels, each; /* in a share */
    Long n, h, w, oh, ow, kh, kw, sw, top, left;
    Long high, pitch, step; /* rows of a frame, numbers in one of sw parts of a row, and from one row of pixels to the next */
    Long at[];              /* what each cell of the kernel sees first */
} Depthwise;

/* A plane into the frame or, with `back`, what is in the frame into the plane, and zeros for what is not. */
INLINE void plane_and_frame(const Depthwise *s, float *plane, float *frame, const int back) {
    for (Long a = 0; a < s->h; a++, plane += s->w) {
        if (back) memset(plane, 0, 4 * s->w);
        if (a + s->top >= s->high) continue;
        for (Long phase = 0; phase < s->sw; phase++) {
            float *row = frame + ((a + s->top) * s->sw + phase) * s->pitch;
            Long q = phase < s->left ? (s->left - phase + s->sw - 1) / s->sw : 0, b = q * s->sw + phase - s->left;
            if (s->sw == 1) {
                Long count = least(s->w, s->pitch - q);
                const float *from = back ? row + q : plane;
                float *to = back ? plane : row + q;
                for (b = 0; b + LANES <= count; b += LANES) {
                    Vector v = load(from + b);
                    store(to + b, v);
                }
                if (b < count) store_some(to + b, load_some(from + b, count - b, 0.0f), count - b);
            } else
                for (; b < s->w && q < s->pitch; q++, b += s->sw) *(back ? plane + b : row + q) = *(back ? row + q : plane + b);
        }
    }
}

/* `count` rows of the result from row r on. */
INLINE void depthwise_rows(const Depthwise *s, const float *frame, const float *weights, float bias, float *y, Long r, const int count) {
    for (Long q = 0; q < s->ow; q += LANES) {
        Vector sums[count];
UNROLLED
        for (int k = 0; k < count; k++) sums[k] = all(bias);
        for (Long i = 0; i < s->kh * s->kw; i++) {
            Vector w = in_register(all(weights[i]));
            const float *from = frame + r * s->step + s->at[i] + q;
UNROLLED
            for (int k = 0; k < count; k++) sums[k] += load(from + k * s->step) * w;
        }
UNROLLED
        for (int k = 0; k < count; k++) {
            float *to = y + (r + k) * s->ow + q;
            if (q + LANES <= s->ow) store(to, sums[k]);
            else store_some(to, sums[k], s->ow - q);
        }
    }
}

void NAME(depthwise)(float *x, const float *weights, const float *bias, float *y, float *frame, const Depthwise *s, const char *turn) {
    memset(frame, 0, sizeof(float) * s->high * s->sw * s->pitch);
    for (Long share; (share = take(turn)) * s->each < s->channels;)
        for (Long image = 0; image < s->n; image++)
            for (Long c = share * s->each; c < least(s->channels, (share + 1) * s->each); c++) {
                Long plane = image * s->channels + c, r = 0;
                float *to = y + plane * s->oh * s->ow;
                const float *w = weights + c * s->kh * s->kw;
                plane_and_frame(s, x + plane * s->h * s->w, frame, 0);
                for (; r + 4 <= s->oh; r += 4) depthwise_rows(s, frame, w, bias[c], to, r, 4);
                for (; r < s->oh; r++) depthwise_rows(s, frame, w, bias[c], to, r, 1);
            }
}

/* The gradient of x, of that of y. */
void NAME(depthwise_back)(const float *y, const float *weights, float *x, float *frame, const Depthwise *s, const char *turn) {
    Long cells = s->kh * s->kw;
    for (Long share; (share = take(turn)) * s->each < s->channels;)
        for (Long image = 0; image < s->n; image++)
            for (Long c = share * s->each; c < least(s->channels, (share + 1) * s->each); c++) {
                Long plane = image * s->channels + c;
                memset(frame, 0, sizeof(float) * s->high * s->sw * s->pitch);
                for (Long r = 0; r < s->oh; r++) {
                    const float *restrict g = y + (plane * s->oh + r) * s->ow;
                    for (Long i = 0; i < cells; i++) {
                        float *restrict to = frame + r * s->step + s->at[i], w = weights[c * cells + i];
                        for (Long q = 0; q < s->ow; q++) to[q] += g[q] * w;
                    }
                }
                plane_and_frame(s, x + plane * s->h * s->w, frame, 1);
            }
}

/* Sums over a plane for some cells of the kernel, from number `first` on. */
INLINE void depthwise_taps(const Depthwise *s, const float *frame, const float *y, double *totals, Long first, const int taps) {
    Vector sums[taps];
    const Long *at = s->at + first;
UNROLLED
    for (int k = 0; k < taps; k++) sums[k] = all(0.0f);
    for (Long r = 0; r < s->oh; r++, y += s->ow, frame += s->step) {
        Long q = 0, left = s->ow % LANES;
        for (; q + LANES <= s->ow; q += LANES) {
            Vector g = load(y + q);
UNROLLED
            for (int k = 0; k < taps; k++) sums[k] += g * load(frame + at[k] + q);
        }
        if (left) { /* what lies behind the row in the frame may be infinite */
            Vector g = load_some(y + q, left, 0.0f);
UNROLLED
            for (int k = 0; k < taps; k++) sums[k] += g * load_some(frame + at[k] + q, left, 0.0f);
        }
    }
UNROLLED
    for (int k = 0; k < taps; k++) totals[first + k] += add_lanes(sums[k]);
}

/* The gradient of the weights. `scratch` has room for the frame, and behind it for a double for each weight of a share. */
void NAME(depthwise_weights)(float *x, const float *y, float *to, float *scratch, const Depthwise *s, const char *turn) {
    Long size = s->high * s->sw * s->pitch, cells = s->kh * s->kw;
    double *totals = (double *)(scratch + (size + 15) / 16 * 16);
    memset(scratch, 0, sizeof(float) * size);
    for (Long share; (share = take(turn)) * s->each < s->channels;) {
        Long first = share * s->each, end = least(s->channels, first + s->each);
        for (Long k = 0; k < (end - first) * cells; k++) totals[k] = 0.0;
        for (Long image = 0; image < s->n; image++)
            for (Long c = first; c < end; c++) {
                Long plane = image * s->channels + c, i = 0;
                const float *g = y + plane * s->oh * s->ow;
                plane_and_frame(s, x + plane * s->h * s->w, scratch, 0);
                for (; i + 9 <= cells; i += 9) depthwise_taps(s, scratch, g, totals + (c - first) * cells, i, 9);
                for (; i < cells; i++) depthwise_taps(s, scratch, g, totals + (c - first) * cells, i, 1);
            }
        for (Long k = 0; k < (end - first) * cells; k++) to[first * cells + k] = (float)totals[k];
    }
}

/* --------------------------------------------------------------------------------------------------------- products */

/* Each of n vectors of `rows` numbers times one of `columns`, as matrices. */
void NAME(outer)(const float *restrict a, const float *restrict b, float *restrict to, Long n, Long rows, Long columns) {
    for (; n--; b += columns)
        for (Long row = 0; row < rows; row++, a++, to += columns)
            for (Long i = 0; i < columns; i++) to[i] = *a * b[i];
}

/* A product's block: up to INNER terms of sums, ABOVE rows and PANELS * BROAD columns. The columns are copied for it, and so are rows that lie as
 * columns: lines a power of two apart compete for the same lines of the first cache. */
enum { INNER = 256, ABOVE = 44 * HIGH, BROAD = 2 * LANES, PANELS = 4, KEEP = 1 << 16 };

/* LANES lines of numbers, `apart`, of which `some` exist, as `numbers` rows of vectors, `step` apart. */
INLINE void turned_lines(const float *from, Long apart, Long some, Long numbers, float *to, Long step) {
    Vector block[LANES];
    if (some == LANES && numbers == LANES) {
UNROLLED
        for (int i = 0; i < LANES; i++) block[i] = load(from + i * apart);
        transpose(block);
UNROLLED
        for (int i = 0; i < LANES; i++) store(to + i * step, block[i]);
    } else {
        for (int i = 0; i < LANES; i++) block[i] = i < some ? load_some(from + i * apart, numbers, 0.0f) : all(0.0f);
        transpose(block);
        for (Long i = 0; i < numbers; i++) store_some(to + i * step, block[i], some);
    }
}

/* Columns of x, which lie side by side, the next number of each `step` further: in parts, whose `firsts` are given, number by number. */
static void pack_rows(const float *x, Long step, const Long *firsts, Long parts, Long depth, float *to) {
    for (Long k = 0; k < depth; k++, x += step)
        for (Long part = 0; part < parts; part++)
            for (Long at = firsts[part], high = firsts[part + 1] - at, j = 0; j < high; j += LANES) {
                Long some = least(LANES, high - j);
                store_some(to + at * depth + k * high + j, load_some(x + at + j, some, 0.0f), some);
            }
}

/* `count` columns of w in panels of BROAD, with zeros behind them. Columns lie `column` apart, numbers of a column `step`. */
static void pack_columns(const float *w, Long column, Long step, Long count, Long depth, float *to) {
    if (column == 1)
        for (Long k = 0; k < depth; k++)
            for (Long v = 0; v < count; v += LANES)
                store(to + v / BROAD * BROAD * depth + k * BROAD + v % BROAD, load_of(w + k * step + v, least(LANES, count - v)));
    else
        for (Long v = 0; v < count; v += LANES)
            for (Long k = 0; k < depth; k += LANES)
                turned_lines(w + v * column + k, column, least(LANES, count - v), least(LANES, depth - k),
                             to + v / BROAD * BROAD * depth + k * BROAD + v % BROAD, BROAD);
}

/* Rows, `row` apart and their numbers `step`, times packed columns, of which `count` are wanted: written to `to`, whose rows are `to_row` apart, plus
 * `bias` if there is one, or added to what is there. */
static void multiply_packed(const float *x, Long row, Long step, Long high, const float *w, Long depth, float *to, Long to_row, Long count,
                            const float *bias, int add) {
    float tile[HIGH * BROAD], *at = to;
    Long at_row = to_row, one = count <= LANES, part = count % LANES;
    if (part) at = tile, at_row = BROAD;
    for (Long i = 0; (bias || (add && part)) && i < high; i++)
        for (Long v = 0; v < count; v += LANES) store(at + i * at_row + v, load_of(bias ? bias + v : to + i * to_row + v, least(LANES, count - v)));
    add |= bias != NULL;
#define CASE(i) case i: multiply_rows(x, row, step, w, BROAD, LANES, depth, at, at_row, add, i, 1); break;
    if (one) switch (high) { HIGHS(CASE) HIGHER(CASE) }
#undef CASE
#define CASE(i) case i: multiply_rows(x, row, step, w, BROAD, LANES, depth, at, at_row, add, i, 2); break;
    else switch (high) { HIGHS(CASE) HIGHER(CASE) }
#undef CASE
    for (Long i = 0; part && i < high; i++)
        for (Long v = 0; v < count; v += LANES) store_some(to + i * to_row + v, load(tile + i * BROAD + v), least(LANES, count - v));
}

/* x (rows, size) times w (size, outputs), plus a bias, in shares of `tall` rows, `across` columns and `deep` terms of the sums; for each `deep` terms
 * there is an own y, and Python adds them. If `wide` is 0, w lies as (outputs, size); else its rows are `wide` apart. If `high` is 0, x lies as its shape
 * says; else as (size, rows), its rows `high` apart. */
void NAME(product)(const float *restrict x, const float *restrict w, float *restrict y, float *restrict scratch, const float *restrict bias, Long rows,
                   Long size, Long outputs, Long wide, Long high, Long tall, Long across, Long deep, const char *turn) {
    const Long row = high ? 1 : size, step = high ? high : 1, column = wide ? 1 : size, next = wide ? wide : 1;
    const Long down = (rows + tall - 1) / tall, aside = (outputs + across - 1) / across;
    float *packed = scratch + KEEP;
    const Long all = (across + BROAD - 1) / BROAD * BROAD, kept = least(deep, size) * all <= KEEP; /* for the next share too, if it has the same columns */
    for (Long number, begin, ready = -1, which; (begin = (number = take(turn)) / (down * aside) * deep) < size;) {
        Long left = number / down % aside * across, right = least(outputs, left + across);
        Long top = number % down * tall, bottom = least(rows, top + tall), end = least(size, begin + deep);
        float *sums = y + begin / deep * rows * outputs;
        which = number / down;
        for (Long many; top < bottom; top += many) {
            many = least(ABOVE, bottom - top);
            Long parts = (many + HIGH - 1) / HIGH, firsts[ABOVE / HIGH + 1];
            for (Long part = 0; part <= parts; part++) firsts[part] = many * part / parts;
            for (Long k = begin, depth; k < end; k += depth) {
                const float *from = x + top * row + k * step;
                depth = least(INNER, end - k);
                if (high) pack_rows(from, step, firsts, parts, depth, packed);
                for (Long o = left, count; o < right; o += count) {
                    count = kept ? right - o : least(PANELS * BROAD, right - o);
                    float *panels = kept ? scratch + (k - begin) * all : scratch;
                    if (ready != which) pack_columns(w + o * column + k * next, column, next, count, depth, panels);
                    for (Long at = 0; at < count; at += BROAD)
                        for (Long part = 0; part < parts; part++) {
                            Long first = firsts[part], these = firsts[part + 1] - first;
                            const float *some = high ? packed + first * depth : from + first * row, *add = bias && k == begin ? bias + o + at : NULL;
                            multiply_packed(some, high ? 1 : row, high ? these : 1, these, panels + at * depth, depth,
                                            sums + (top + first) * outputs + o + at, outputs, least(BROAD, count - at), add, k > begin);
                        }
                }
            }
            if (kept) ready = which;
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- recurrent layers
 * Steps of some `rows` of n sequences, which do not depend on the others; a state has `size` numbers. Weights are in panels: BROAD columns
 * lie together, row after row, zeros behind the last one, so that all steps find them in order. */

/* `to`, rows of `width` numbers, is h, rows of `size` numbers, times a matrix in panels. */
static void times_panels(const float *h, const float *panels, float *to, Long rows, Long size, Long width) {
    Long parts = (rows + HIGH - 1) / HIGH;
    for (Long o = 0; o < width; o += BROAD, panels += size * BROAD)
        for (Long part = 0; part < parts; part++) {
            Long first = rows * part / parts, high = rows * (part + 1) / parts - first;
            multiply_packed(h + first * size, size, 1, high, panels, size, to + first * width + o, width, least(BROAD, width - o), NULL, 0);
        }
}

void NAME(lstm)(const float *sums, const float *panels, const float *h, const float *c, float *y, float *cells, float *gates, Long rows,
                Long steps, Long n, Long size) {
    for (Long t = 0; t < steps; t++) {
        times_panels(h, panels, gates + t * n * 4 * size, rows, size, 4 * size);
        for (Long r = 0; r < rows; r++) {
            const float *restrict s = sums + (t * n + r) * 4 * size, *restrict before = c + r * size;
            float *restrict a = gates + (t * n + r) * 4 * size, *restrict cell = cells + (t * n + r) * size, *restrict out = y + (t * n + r) * size;
            for (Long i = 0; i < 2 * size; i++) a[i] = sigmoid_(a[i] + s[i]);
            for (Long i = 2 * size; i < 3 * size; i++) a[i] = tanh_(a[i] + s[i]);
            for (Long i = 3 * size; i < 4 * size; i++) a[i] = sigmoid_(a[i] + s[i]);
            for (Long i = 0; i < size; i++) cell[i] = a[size + i] * before[i] + a[i] * a[2 * size + i];
            for (Long i = 0; i < size; i++) out[i] = a[3 * size + i] * tanh_(cell[i]);
        }
        h = y + t * n * size;
        c = cells + t * n * size;
    }
}

/* `back` and `memory` hold what arrives at the last state and cell state from later steps; in the end, at the first ones. */
void NAME(lstm_back)(const float *gy, const float *gcells, const float *cells, const float *gates, const float *c, const float *panels,
                     float *d, float *back, float *memory, Long rows, Long steps, Long n, Long size) {
    for (Long t = steps - 1; t >= 0; t--) {
        for (Long r = 0; r < rows; r++) {
            Long row = (t * n + r) * size;
            const float *restrict a = gates + 4 * row, *restrict cell = cells + row, *restrict g = gy + row, *restrict gc = gcells + row;
            const float *restrict before = t ? cells + row - n * size : c + r * size;
            float *restrict to = d + 4 * row, *restrict state = back + r * size, *restrict kept = memory + r * size;
INDEPENDENT /* else there are too many pairs of arrays to be compared before */
            for (Long k = 0; k < size; k++) {
                float i = a[k], f = a[size + k], m = a[2 * size + k], o = a[3 * size + k], squashed = tanh_(cell[k]);
                float at_state = g[k] + state[k], at_cell = kept[k] + gc[k] + at_state * (o * (1.0f - squashed * squashed));
                to[k] = at_cell * (m * (i * (1.0f - i)));
                to[size + k] = at_cell * (before[k] * (f * (1.0f - f)));
                to[2 * size + k] = at_cell * (i * (1.0f - m * m));
                to[3 * size + k] = at_state * (squashed * (o * (1.0f - o)));
                kept[k] = at_cell * f;
            }
        }
        times_panels(d + t * n * 4 * size, panels, back, rows, 4 * size, size);
    }
}

/* `ready` has room for the product of a step. */
void NAME(gru)(const float *sums, const float *panels, const float *bias, const float *h, float *ready, float *y, float *gates,
               float *parts, Long rows, Long steps, Long n, Long size) {
    for (Long t = 0; t < steps; t++) {
        times_panels(h, panels, ready, rows, size, 3 * size);
        for (Long r = 0; r < rows; r++) {
            Long row = (t * n + r) * size;
            const float *restrict s = sums + 3 * row, *restrict before = h + r * size, *restrict add = bias;
            float *restrict a = gates + 3 * row, *restrict part = parts + row, *restrict out = y + row;
            const float *restrict b = ready + 3 * r * size;
            for (Long i = 0; i < 2 * size; i++) a[i] = sigmoid_(b[i] + (s[i] + add[i]));
            for (Long i = 0; i < size; i++) part[i] = b[2 * size + i] + add[2 * size + i];
            for (Long i = 0; i < size; i++) a[2 * size + i] = tanh_(s[2 * size + i] + a[i] * part[i]);
            for (Long i = 0; i < size; i++) out[i] = a[2 * size + i] + a[size + i] * (before[i] - a[2 * size + i]);
        }
        h = y + t * n * size;
    }
}

/* `back` as in lstm_back, but for the part that comes through the weights, which is added at the end of a step. */
void NAME(gru_back)(const float *gy, const float *y, const float *gates, const float *parts, const float *panels, const float *h,
                    float *outer, float *inner, float *ready, float *back, Long rows, Long steps, Long n, Long size) {
    for (Long t = steps - 1; t >= 0; t--) {
        for (Long r = 0; r < rows; r++) {
            Long row = (t * n + r) * size;
            const float *restrict a = gates + 3 * row, *restrict part = parts + row, *restrict g = gy + row;
            const float *restrict before = t ? y + row - n * size : h + r * size;
            float *restrict to = outer + 3 * row, *restrict in = inner + 3 * row, *restrict state = back + r * size;
INDEPENDENT
            for (Long k = 0; k < size; k++) {
                float u = a[k], z = a[size + k], m = a[2 * size + k], at = g[k] + state[k];
                float dm = at * (1.0f - z) * (1.0f - m * m), du = dm * part[k] * (u * (1.0f - u)), dz = at * (before[k] - m) * (z * (1.0f - z));
                to[k] = du; to[size + k] = dz; to[2 * size + k] = dm;
                in[k] = du; in[size + k] = dz; in[2 * size + k] = dm * u;
                state[k] = at * z;
            }
        }
        times_panels(inner + t * n * 3 * size, panels, ready, rows, 3 * size, size);
        for (Long i = 0; i < rows * size; i++) back[i] += ready[i];
    }
}

/* Add each of n rows to the row of `to` that `places` names. */
void NAME(add_rows)(const float *restrict rows, const int64_t *restrict places, float *restrict to, Long n, Long width) {
    for (; n--; places++, rows += width) {
        float *restrict sum = to + *places * width;
        for (Long i = 0; i < width; i++) sum[i] += rows[i];
    }
}

/* ------------------------------------------------------------------------------------------------------ optimisers */

/* Adam; rest1 = 1 - beta1 and rest2 = 1 - beta2, rounded once. */
void NAME(adam)(float *restrict p, const float *restrict g, float *restrict m, float *restrict v, Long n, float beta1, float rest1,
                float beta2, float rest2, float lr, float eps) {
    for (Long i = 0; i < n; i++) {
        m[i] = m[i] * beta1 + g[i] * rest1;
        v[i] = v[i] * beta2 + g[i] * g[i] * rest2;
        p[i] -= m[i] / (sqrtf(v[i]) + eps) * lr;
    }
}

/* Descent, p -= lr g. */
void NAME(descend)(float *restrict p, const float *restrict g, Long n, float lr) {
    for (Long i = 0; i < n; i++) p[i] -= g[i] * lr;
}

/* With momentum: b = momentum b + share g, and p -= lr b, or with `nesterov` lr (momentum b + g). */
void NAME(sgd)(float *restrict p, const float *restrict g, float *restrict b, Long n, Long nesterov, float momentum, float share, float lr) {
    if (nesterov)
        for (Long i = 0; i < n; i++) { b[i] = b[i] * momentum + g[i] * share; p[i] -= (b[i] * momentum + g[i]) * lr; }
    else
        for (Long i = 0; i < n; i++) { b[i] = b[i] * momentum + g[i] * share; p[i] -= b[i] * lr; }
}

#endif /* LEVEL */

/* ------------------------------------------------------------------- what belongs to no level: threads, and how this file was compiled */
#ifdef DISPATCH
#if defined(_WIN32)
__declspec(dllimport) void __stdcall Sleep(unsigned long);
#define YIELD() Sleep(0)
#else
#include <sched.h>
#define YIELD() sched_yield()
#endif
#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE()
#endif
_Static_assert(sizeof(void *) == sizeof(Long), "arguments are passed as numbers of 64 bits");

/* A call of a function of this file in `shares`, which threads take one by one. Behind this struct are `integers` numbers and addresses, and as many
 * steps: the arguments of share i are these plus i times the steps, and then `floats`. The one at `counted` (there is none if it is negative) is how many
 * of all `items` the share has: `part`, or what is left. Python cuts shares by shapes alone. Up to `seats` threads help the one whose job it is. */
enum { INTEGERS = 20, FLOATS = 6 };
typedef struct {
    void *function;
    Long integers, float_count, counted, items, part, shares, seats, taken, last;
    float floats[FLOATS];
} Job;

#define T3 Long, Long, Long
#define T4 T3, Long
#define T5 T4, Long
#define T6 T5, Long
#define T7 T6, Long
#define T8 T7, Long
#define T9 T8, Long
#define T10 T9, Long
#define T11 T10, Long
#define T12 T11, Long
#define T13 T12, Long
#define T14 T13, Long
#define T15 T14, Long
#define T16 T15, Long
#define T17 T16, Long
#define T18 T17, Long
#define T19 T18, Long
#define T20 T19, Long
#define A3 a[0], a[1], a[2]
#define A4 A3, a[3]
#define A5 A4, a[4]
#define A6 A5, a[5]
#define A7 A6, a[6]
#define A8 A7, a[7]
#define A9 A8, a[8]
#define A10 A9, a[9]
#define A11 A10, a[10]
#define A12 A11, a[11]
#define A13 A12, a[12]
#define A14 A13, a[13]
#define A15 A14, a[14]
#define A16 A15, a[15]
#define A17 A16, a[16]
#define A18 A17, a[17]
#define A19 A18, a[18]
#define A20 A19, a[19]
#define WITH(n) case n * 8: if (f) ((void (*)(T##n))f)(A##n); return 1;
#define AND(n, m, types, ...) case n * 8 + m: if (f) ((void (*)(T##n, types))f)(A##n, __VA_ARGS__); return 1;
#define TYPES(...) __VA_ARGS__
/* Call f with the first of `a` and of `x`: the functions of this file have integers and addresses first, and then floats. Whether there is such a call. */
static int call(void *f, Long integers, Long floats, const Long *a, const float *x) {
    switch (integers * 8 + floats) {
        WITH(3) WITH(4) WITH(5) WITH(6) WITH(7) WITH(8) WITH(9) WITH(10) WITH(11) WITH(12) WITH(13) WITH(14) WITH(15) WITH(16) WITH(17) WITH(18) WITH(19)
        WITH(20)
        AND(3, 1, float, x[0])
        AND(3, 2, TYPES(float, float), x[0], x[1])
        AND(3, 3, TYPES(float, float, float), x[0], x[1], x[2])
        AND(3, 4, TYPES(float, float, float, float), x[0], x[1], x[2], x[3])
        AND(4, 1, float, x[0])
        AND(4, 2, TYPES(float, float), x[0], x[1])
        AND(4, 3, TYPES(float, float, float), x[0], x[1], x[2])
        AND(5, 3, TYPES(float, float, float), x[0], x[1], x[2])
        AND(5, 6, TYPES(float, float, float, float, float, float), x[0], x[1], x[2], x[3], x[4], x[5])
        AND(9, 1, float, x[0])
        AND(10, 1, float, x[0])
    }
    return 0;
}

/* Whether a Job can have so many integers and floats. */
Long minigrad_can_call(Long integers, Long floats) {
    return call(NULL, integers, floats, NULL, NULL);
}

/* What the threads have in common: the job of the moment, how many jobs there were, threads that look at it, threads that wait here for the next one, and
 * a number that Python changes when it needs a thread for something else. */
static struct { Job *job; Long posted, inside; } pool;
Long minigrad_awake, minigrad_asked;

/* The thread whose job it is takes shares from the first on, the others from the last: so it finds what it computed before in its own cache. */
static void take_shares(Job *job, int helps) {
    const Long *first = (const Long *)(job + 1), *step = first + job->integers;
    Long front = 0, a[INTEGERS];
    while (__atomic_fetch_add(&job->taken, 1, __ATOMIC_RELAXED) < job->shares) {
        Long i = helps ? job->shares - 1 - __atomic_fetch_add(&job->last, 1, __ATOMIC_RELAXED) : front++;
        for (Long k = 0; k < job->integers; k++) a[k] = first[k] + i * step[k];
        if (job->counted >= 0) a[job->counted] = job->items - i * job->part < job->part ? job->items - i * job->part : job->part;
        call(job->function, job->integers, job->float_count, a, job->floats);
    }
}

/* For threads of Python that have nothing to do: help with jobs, until none came for so many rounds, or `asked` changes. A thread that sleeps takes up to
 * 50 microseconds to wake, one that waits here less than one. */
void minigrad_attend(Long asked, Long rounds) {
    Long seen = -1;
    __atomic_fetch_add(&minigrad_awake, 1, __ATOMIC_SEQ_CST);
    for (Long left = rounds; left > 0 && __atomic_load_n(&minigrad_asked, __ATOMIC_ACQUIRE) == asked; left--) {
        Long posted = __atomic_load_n(&pool.posted, __ATOMIC_ACQUIRE);
        if (posted != seen) {
            seen = posted;
            __atomic_fetch_add(&pool.inside, 1, __ATOMIC_SEQ_CST); /* from here on the job stays in memory */
            Job *job = __atomic_load_n(&pool.job, __ATOMIC_SEQ_CST);
            if (job && __atomic_fetch_sub(&job->seats, 1, __ATOMIC_RELAXED) > 0) {
                take_shares(job, 1);
                left = rounds;
            }
            __atomic_fetch_sub(&pool.inside, 1, __ATOMIC_SEQ_CST);
        }
        if (left % 32) PAUSE();
        else YIELD(); /* where there is one processor for two threads, the other one must not wait for this one */
    }
    __atomic_fetch_sub(&minigrad_awake, 1, __ATOMIC_SEQ_CST);
}

/* Do a job, with the threads that attend. If they work on another one, alone. */
void minigrad_together(Job *job) {
    Job *none = NULL;
    if (job->seats < 1 || !__atomic_compare_exchange_n(&pool.job, &none, job, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        take_shares(job, 0);
        return;
    }
    __atomic_fetch_add(&pool.posted, 1, __ATOMIC_SEQ_CST);
    take_shares(job, 0);
    __atomic_store_n(&pool.job, NULL, __ATOMIC_SEQ_CST);
    for (Long i = 0; __atomic_load_n(&pool.inside, __ATOMIC_SEQ_CST); i++)
        if (i < 1 << 12) PAUSE();
        else YIELD();
}

/* In a child of fork, which has none of the threads. */
void minigrad_forget(void) {
    pool.job = NULL;
    pool.inside = minigrad_awake = 0;
}

const char *minigrad_compiler(void) {
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

/* The text that this was compiled from, by a digest. */
const char *minigrad_source(void) { return SOURCE; }

/* The best level that this processor has, by its name in build.py. Asked of the processor itself: not every compiler's library knows. */
#if defined(__x86_64__)
#include <cpuid.h>
static int all_set(unsigned value, unsigned wanted) { return (value & wanted) == wanted; }
const char *minigrad_level(void) {
    enum { FMA = 1u << 12, SSE42 = 1u << 20, POPCNT = 1u << 23, OSXSAVE = 1u << 27, AVX = 1u << 28 };                   /* leaf 1, ecx */
    enum { BMI1 = 1u << 3, AVX2 = 1u << 5, BMI2 = 1u << 8, F = 1u << 16, DQ = 1u << 17, CD = 1u << 28, BW = 1u << 30 }; /* leaf 7, ebx */
    const unsigned VL = 1u << 31;
    unsigned a, b, c, d, low = 0, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !all_set(c, SSE42 | POPCNT)) return "";
    if (!all_set(c, FMA | OSXSAVE | AVX) || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return "v2";
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0)); /* the registers that the system saves: 6 for AVX, 0xe6 for AVX-512 */
    if (!all_set(b, BMI1 | AVX2 | BMI2) || !all_set(low, 0x06)) return "v2";
    return all_set(b, F | DQ | CD | BW | VL) && all_set(low, 0xe6) ? "v4" : "v3";
}
#else
const char *minigrad_level(void) { return "base"; }
#endif
#endif
