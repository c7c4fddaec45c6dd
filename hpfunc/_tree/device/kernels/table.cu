// The table of lower bounds of all squared distances, from products of centred points or by differences; symmetric.
//
// The bound of places r and c, of classes a and b, is base[a, b] + side[b, r] + side[a, c] - 2 x_r.x_c. The products
// stand in the lower triangle of the table and are replaced by the bounds, which are written to the upper triangle as
// well. With -DTHIN points have few features and are measured by differences: the sum is made smaller by what it may be
// off. Padding gets numbers that mean nothing. Each thread writes its own entries only; no sum depends on chance.
//
// Memory: a tile of 32 x 32 in shared memory. Grid: (tiles, tiles); blocks of (32, 8) threads. Limit: 2,097,120 places.

extern "C" __global__ void __launch_bounds__(256) table(
    REAL *bounds, long long places,                           // (places, places)
    const int *label,                                         // (places,) class of each place
    const REAL *base, const REAL *side, int n_classes,        // (K, K) and (K, places), or null
    const long long *classes, const POINT *x, long long d,    // as in prim.cu
    double relative, double least) {
  __shared__ REAL tile[32][33];
  long long row0 = blockIdx.y * 32LL, col0 = blockIdx.x * 32LL;
  if (col0 > row0) return;
  long long c = col0 + threadIdx.x;
  for (int k = threadIdx.y; k < 32; k += 8) {
    long long r = row0 + k;
    if (r >= places || c > r) continue;
    int a = label[r], b = label[c];
#ifdef THIN
    const long long *of_a = classes + 3 * a, *of_b = classes + 3 * b;
    long long i = r - of_a[0], j = c - of_b[0];
    double sum = 0;
    for (long long f = 0; f < d && i < of_a[2] && j < of_b[2]; ++f) {
      double difference = wide(x[(of_a[1] + i) * d + f]) - wide(x[(of_b[1] + j) * d + f]);
      sum += difference * difference;
    }
    REAL value = sum * (1 - relative / 2) - least;
#else
    REAL value = bounds[r * places + c] * -2;
    value += base[a * n_classes + b];
    value += side[b * places + r];
    value += side[a * places + c];
#endif
    bounds[r * places + c] = tile[k][threadIdx.x] = value;
  }
  __syncthreads();
  long long r = row0 + threadIdx.x;
  for (int k = threadIdx.y; k < 32; k += 8) {
    c = col0 + k;
    if (r < places && c < r) bounds[c * places + r] = tile[threadIdx.x][k];
  }
}
