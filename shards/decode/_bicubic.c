/* scale: bicubic scaling of RGB pictures with the very pixels of Pillow, several numbers at once.

Pillow works a number at a time: of a small picture that is decoded and scaled, scaling takes three quarters. This is
its algorithm (Pillow 13, src/libImaging/Resample.c: two passes of whole numbers with 22 bits behind the point) in
vectors of eight, for x86-64 with AVX2. bicubic.py calls it, or Pillow where there is no helper; a test compares the two
bit by bit. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define POINT 22 /* bits behind the point of a weight */
#define AVX2 __attribute__((target("avx2")))

/* One axis: which numbers of the source make each number of the part that is wanted, and with which weights. */
typedef struct {
    Py_ssize_t size, most; /* numbers that are made; the most weights of one */
    Py_ssize_t *first, *count;
    int32_t *weights; /* (size, most) */
} Axis;

static double bicubic(double x)
{
    x = fabs(x);
    if (x < 1.0)
        return (1.5 * x - 2.5) * x * x + 1;
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0.0;
}

static void free_axis(Axis *axis)
{
    free(axis->first);
    free(axis->count);
    free(axis->weights);
}

/* Numbers `start` to `start + size` of `wanted` ones that the source from `begin` to `end` is scaled to. -1: no memory. */
static int make_axis(Axis *axis, Py_ssize_t source, float begin, float end, Py_ssize_t wanted, Py_ssize_t start,
                     Py_ssize_t size)
{
    double scale = (double)(end - begin) / (double)wanted, stretch = scale < 1.0 ? 1.0 : scale, reach = 2.0 * stretch;
    axis->size = size;
    axis->most = (Py_ssize_t)ceil(reach) * 2 + 1;
    axis->first = malloc((size_t)size * sizeof(Py_ssize_t));
    axis->count = malloc((size_t)size * sizeof(Py_ssize_t));
    axis->weights = malloc((size_t)(size * axis->most) * sizeof(int32_t));
    double *exact = malloc((size_t)axis->most * sizeof(double));
    if (!axis->first || !axis->count || !axis->weights || !exact) {
        free(exact);
        return -1;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        double centre = (double)begin + ((double)(start + i) + 0.5) * scale, inverse = 1.0 / stretch, sum = 0.0;
        Py_ssize_t low = (Py_ssize_t)(centre - reach + 0.5), high = (Py_ssize_t)(centre + reach + 0.5);
        low = low < 0 ? 0 : low;
        high = high > source ? source : high;
        Py_ssize_t count = high - low;
        for (Py_ssize_t k = 0; k < count; k++)
            sum += exact[k] = bicubic(((double)(k + low) - centre + 0.5) * inverse);
        for (Py_ssize_t k = 0; k < count; k++) {
            double weight = (sum != 0.0 ? exact[k] / sum : exact[k]) * (1 << POINT);
            axis->weights[i * axis->most + k] = (int32_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
        }
        axis->first[i] = low;
        axis->count[i] = count;
    }
    free(exact);
    return 0;
}

/* Eight bytes as numbers, and eight sums as bytes: without the bits behind the point, cut to 0..255. */
AVX2 static inline __m256i numbers(const uint8_t *bytes)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes));
}

AVX2 static inline __m128i rounded(__m256i sum)
{
    sum = _mm256_srai_epi32(sum, POINT);
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    return _mm_packus_epi16(words, words);
}

/* Each row of a picture, two at a time: their pixels side by side in `pairs`, with a fourth number that is not used.
   source: (height, width) pixels, rows `stride` bytes apart, from column `first` of the picture on. */
AVX2 static void scale_rows(const uint8_t *source, Py_ssize_t stride, Py_ssize_t first, Py_ssize_t height,
                            Py_ssize_t width, const Axis *axis, uint8_t *out, uint8_t (*pairs)[8])
{
    const __m256i half = _mm256_set1_epi32(1 << (POINT - 1));
    for (Py_ssize_t y = 0; y < height; y += 2) {
        const uint8_t *one = source + y * stride, *other = y + 1 < height ? one + stride : one;
        uint8_t *to_one = out + y * axis->size * 3, *to_other = to_one + axis->size * 3;
        for (Py_ssize_t x = 0; x < width; x++) {
            memcpy(pairs[x], one + 3 * x, 3);
            memcpy(pairs[x] + 4, other + 3 * x, 3);
        }
        for (Py_ssize_t x = 0; x < axis->size; x++) {
            const int32_t *weights = axis->weights + x * axis->most;
            const uint8_t (*pixels)[8] = (const uint8_t(*)[8])pairs + (axis->first[x] - first);
            __m256i sum = half;
            for (Py_ssize_t k = 0; k < axis->count[x]; k++)
                sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(numbers(pixels[k]), _mm256_set1_epi32(weights[k])));
            uint64_t found = (uint64_t)_mm_cvtsi128_si64(rounded(sum));
            memcpy(to_one + 3 * x, &found, 3);
            if (y + 1 < height) {
                found >>= 32;
                memcpy(to_other + 3 * x, &found, 3);
            }
        }
    }
}

/* Each column of rows of `length` bytes that lie `stride` apart, from row `first` of the picture on. */
AVX2 static void scale_columns(const uint8_t *source, Py_ssize_t stride, Py_ssize_t first, Py_ssize_t length,
                               const Axis *axis, uint8_t *out)
{
    const __m256i half = _mm256_set1_epi32(1 << (POINT - 1));
    for (Py_ssize_t y = 0; y < axis->size; y++, out += length) {
        const int32_t *weights = axis->weights + y * axis->most;
        const uint8_t *rows = source + (axis->first[y] - first) * stride;
        const Py_ssize_t count = axis->count[y];
        Py_ssize_t x = 0;
        for (; x + 16 <= length; x += 16) {
            __m256i left = half, right = half;
            for (Py_ssize_t k = 0; k < count; k++) {
                const __m256i weight = _mm256_set1_epi32(weights[k]);
                left = _mm256_add_epi32(left, _mm256_mullo_epi32(numbers(rows + k * stride + x), weight));
                right = _mm256_add_epi32(right, _mm256_mullo_epi32(numbers(rows + k * stride + x + 8), weight));
            }
            _mm_storeu_si128((__m128i *)(out + x), _mm_unpacklo_epi64(rounded(left), rounded(right)));
        }
        for (; x < length; x++) {
            int32_t sum = 1 << (POINT - 1);
            for (Py_ssize_t k = 0; k < count; k++)
                sum += rows[k * stride + x] * weights[k];
            sum >>= POINT;
            out[x] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
        }
    }
}

/* The part of a picture, scaled; -1: no memory. */
static int scale_part(const uint8_t *source, Py_ssize_t height, Py_ssize_t width, const float box[4],
                      const Py_ssize_t size[2], const Py_ssize_t part[4], uint8_t *out)
{
    const Py_ssize_t top = part[0], left = part[1], rows = part[2], columns = part[3];
    const int across = size[1] != width || box[0] != 0 || box[2] != (float)width;
    const int down = size[0] != height || box[1] != 0 || box[3] != (float)height;
    /* Pillow's rule; which pass comes first shows in the rounding between them. */
    const int rows_first = height <= size[0] || height - size[0] <= (width - size[1]) * 2;
    Axis x = {0}, y = {0};
    uint8_t *between = NULL, (*pairs)[8] = NULL;
    int failed = make_axis(&y, height, box[1], box[3], size[0], top, rows) < 0 ||
                 make_axis(&x, width, box[0], box[2], size[1], left, columns) < 0;
    if (!failed) {
        /* What is used of the picture. */
        const Py_ssize_t y0 = down ? y.first[0] : top, x0 = across ? x.first[0] : left, stride = width * 3;
        const Py_ssize_t used_rows = down ? y.first[rows - 1] + y.count[rows - 1] - y0 : rows;
        const Py_ssize_t used_columns = across ? x.first[columns - 1] + x.count[columns - 1] - x0 : columns;
        const uint8_t *used = source + y0 * stride + x0 * 3;
        if (across) {
            pairs = calloc((size_t)used_columns, sizeof *pairs);
            failed = !pairs;
        }
        if (across && down && !failed) {
            between = malloc((size_t)(rows_first ? used_rows * columns : rows * used_columns) * 3);
            failed = !between;
        }
        if (failed) {
        } else if (across && down && rows_first) {
            scale_rows(used, stride, x0, used_rows, used_columns, &x, between, pairs);
            scale_columns(between, columns * 3, y0, columns * 3, &y, out);
        } else if (across && down) {
            scale_columns(used, stride, y0, used_columns * 3, &y, between);
            scale_rows(between, used_columns * 3, x0, rows, used_columns, &x, out, pairs);
        } else if (across) {
            scale_rows(used, stride, x0, rows, used_columns, &x, out, pairs);
        } else if (down) {
            scale_columns(used, stride, y0, columns * 3, &y, out);
        } else {
            for (Py_ssize_t row = 0; row < rows; row++)
                memcpy(out + row * columns * 3, used + row * stride, (size_t)(columns * 3));
        }
    }
    free(between);
    free(pairs);
    free_axis(&x);
    free_axis(&y);
    return failed ? -1 : 0;
}

static PyObject *scale(PyObject *module, PyObject *args)
{
    Py_buffer source, out;
    float box[4];
    Py_ssize_t height, width, size[2], part[4];
    int failed = 0;
    if (!PyArg_ParseTuple(args, "y*(nn)(ffff)(nn)(nnnn)w*", &source, &height, &width, &box[0], &box[1], &box[2], &box[3],
                          &size[0], &size[1], &part[0], &part[1], &part[2], &part[3], &out))
        return NULL;
    const Py_ssize_t most = 1 << 24;
    int fits = height > 0 && width > 0 && height <= most && width <= most && source.len == height * width * 3 &&
               box[0] >= 0 && box[1] >= 0 && box[0] < box[2] && box[1] < box[3] && box[2] <= (float)width &&
               box[3] <= (float)height && size[0] > 0 && size[1] > 0 && size[0] <= most && size[1] <= most &&
               part[0] >= 0 && part[1] >= 0 && part[2] > 0 && part[3] > 0 && part[0] <= size[0] - part[2] &&
               part[1] <= size[1] - part[3] && out.len == part[2] * part[3] * 3;
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "sizes, box and part do not fit the two buffers");
    } else {
        Py_BEGIN_ALLOW_THREADS
        failed = scale_part(source.buf, height, width, box, size, part, out.buf);
        Py_END_ALLOW_THREADS
        if (failed)
            PyErr_NoMemory();
    }
    PyBuffer_Release(&source);
    PyBuffer_Release(&out);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"scale", scale, METH_VARARGS,
     "scale(source, (height, width), (left, top, right, bottom), (wanted height, wanted width), (top, left, rows, "
     "columns), out)\n--\n\nScale the box of an RGB picture, and write the part of the result."},
    {NULL, NULL, 0, NULL},
};

static int check_processor(PyObject *module)
{
    if (__builtin_cpu_supports("avx2"))
        return 0;
    PyErr_SetString(PyExc_ImportError, "this processor has no AVX2");
    return -1;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, check_processor},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_bicubic", NULL, 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__bicubic(void) { return PyModuleDef_Init(&definition); }
