// Points in float64, scaled by a power of two; and squared distances of chosen pairs of points.
//
// float32 is widened without a loss (floats.cuh). What CuPy's own operations make of denormal float32 numbers are
// zeros.
//
// Memory: none but the arrays. `widen`: blocks of 256 threads, in any number. `lengths`: blocks of 4 warps, each for
// one edge at a time, in any number. Limit: none, indices have 64 bits.

extern "C" __global__ void __launch_bounds__(256) widen(const POINT *x, long long count, int exponent, double *result) {
  long long stride = gridDim.x * 256LL;
  for (long long i = blockIdx.x * 256LL + threadIdx.x; i < count; i += stride) result[i] = scalbn(wide(x[i]), exponent);
}

extern "C" __global__ void __launch_bounds__(128) lengths(
    const POINT *x, long long d, const long long *ends, long long n_edges, double *result) {  // ends: (E, 2) rows
  long long stride = gridDim.x * 4LL;
  for (long long e = blockIdx.x * 4LL + threadIdx.x / 32; e < n_edges; e += stride) {
    double length = squared_distance(x + ends[2 * e] * d, x + ends[2 * e + 1] * d, d);
    if (threadIdx.x % 32 == 0) result[e] = length;
  }
}
