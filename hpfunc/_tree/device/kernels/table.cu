// Lower bounds of squared distances between classes, from products or by differences, both ways round.
//
// The bound of points r and c of classes a and b, centred, is one[r, b] + other[a, c] - 2 x_r.x_c; the product stands in
// strip (rows, cols) and is replaced by it. With -DTHIN points have few features and are measured by differences: the
// sum is made smaller by what it may be off. back (cols, rows) is the same transposed, so that rows of both classes are
// read in order. Each thread writes its own entries only; nothing is added up in an order left to chance.
//
// Memory: a tile of 32 x 32 in shared memory. Blocks of (32, 8) threads. Limit: 65,535 tiles down.
//
// -DREAL= the table, -DPOINT= the points; the block of a class with itself is made symmetric by `within`.

extern "C" __global__ void __launch_bounds__(256) table(
    REAL *strip, REAL *back, long long rows, long long cols, long long row0, long long col0,
    const int *label,                      // (N,) class of each point
    const REAL *one, long long one_ld,     // (rows, K)
    const REAL *other, int first_class,    // (classes of the rows, cols)
    const POINT *x, long long d, double relative, double least) {
  __shared__ REAL tile[32][33];
  long long c = blockIdx.x * 32LL + threadIdx.x;
  for (int k = threadIdx.y; k < 32; k += 8) {
    long long r = blockIdx.y * 32LL + k;
    if (r >= rows || c >= cols) continue;
#ifdef THIN
    double sum = 0;
    for (long long f = 0; f < d; ++f) {
      double difference = (double)x[(row0 + r) * d + f] - (double)x[(col0 + c) * d + f];
      sum += difference * difference;
    }
    REAL value = sum * (1 - relative / 2) - least;
#else
    REAL value = strip[r * cols + c] * -2;
    value += one[r * one_ld + label[col0 + c]];
    value += other[(label[row0 + r] - first_class) * cols + c];
#endif
    strip[r * cols + c] = value;
    tile[k][threadIdx.x] = value;
  }
  __syncthreads();
  long long r = blockIdx.y * 32LL + threadIdx.x;
  for (int k = threadIdx.y; k < 32; k += 8) {
    c = blockIdx.x * 32LL + k;
    if (r < rows && c < cols) back[c * rows + r] = tile[threadIdx.x][k];
  }
}

// The block of each class with itself, (n, n): of the two bounds of an edge, which may differ in rounding, the lower.
extern "C" __global__ void __launch_bounds__(256) within(
    const REAL *strip, const REAL *back, long long rows, long long cols, long long row0, long long col0,
    const long long *starts, int first_class, REAL *blocks, const long long *blocks_at) {
  int k = first_class + blockIdx.y;
  long long n = starts[k + 1] - starts[k], i0 = starts[k] - row0, j0 = starts[k] - col0;
  for (long long e = blockIdx.x * 256LL + threadIdx.x; e < n * n; e += gridDim.x * 256LL) {
    long long i = e / n, j = e % n;
    REAL here = strip[(i0 + i) * cols + (j0 + j)], there = back[(j0 + i) * rows + (i0 + j)];
    blocks[blocks_at[k] + e] = here < there ? here : there;
  }
}
