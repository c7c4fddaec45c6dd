// Points centred by class: each class's mean, rounded to the working precision, is taken from its points.
//
// `sums` adds up a share of the points of a class, in their order; `centre` adds the shares up, in their order, so that
// the result does not depend on chance. Any point near the middle would do: what is measured later is measured from the
// middle that was used. The centred points are written in panels of at most `width` features, (places, width) one after
// the other, as products take them. The padding after each class is zero.
//
// Memory: none but the arrays. Grid: (features / 128, classes, shares); blocks of 128 threads. Limit: 65,535 classes.

// The points of a class that a share holds: begin to end.
__device__ inline long long share_begin(long long n, unsigned share) { return n * share / gridDim.z; }

extern "C" __global__ void __launch_bounds__(128) sums(
    const POINT *x, long long d, const long long *classes, double *partial) {  // partial: (shares, K, d)
  long long f = blockIdx.x * 128LL + threadIdx.x;
  const long long *of = classes + 3 * blockIdx.y;
  if (f >= d) return;
  double sum = 0;
  long long end = share_begin(of[2], blockIdx.z + 1);
  for (long long i = share_begin(of[2], blockIdx.z); i < end; ++i) sum += wide(x[(of[1] + i) * d + f]);
  partial[(blockIdx.z * (long long)gridDim.y + blockIdx.y) * d + f] = sum;
}

extern "C" __global__ void __launch_bounds__(128) centre(
    const POINT *x, long long d, const long long *classes, const double *partial, long long places, long long width,
    REAL *centred, REAL *middles) {  // middles: (K, d)
  long long f = blockIdx.x * 128LL + threadIdx.x, k = blockIdx.y, n = classes[3 * k + 2];
  if (f >= d) return;
  double sum = 0;
  for (unsigned share = 0; share < gridDim.z; ++share) sum += partial[(share * (long long)gridDim.y + k) * d + f];
  REAL middle = (REAL)(sum / (double)n);
  if (blockIdx.z == 0) middles[k * d + f] = middle;
  long long panel = f / width, columns = d - panel * width < width ? d - panel * width : width;
  REAL *column = centred + panel * width * places + classes[3 * k] * columns + f % width;
  const POINT *own = x + classes[3 * k + 1] * d + f;
  long long end = share_begin(n, blockIdx.z + 1);
  for (long long i = share_begin(n, blockIdx.z); i < end; ++i)
    column[i * columns] = (REAL)(wide(own[i * d]) - wide(middle));
  if (blockIdx.z == 0)
    for (long long i = n; i < (n + 3) / 4 * 4; ++i) column[i * columns] = 0;
}
