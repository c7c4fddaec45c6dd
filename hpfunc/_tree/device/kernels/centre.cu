// Points centred by class: each class's mean, rounded to the working precision, is taken from its points.
//
// A thread sums one feature over the points of one class, in their order, so that the result does not depend on chance.
// Any point near the middle would do: what is measured later is measured from the middle that was used. The centred
// points are written in panels of at most `width` features, (N, width) one after the other, as products take them.
//
// Memory: none but the arrays. Grid: (features / 128, classes); blocks of 128 threads. Limit: 65,535 classes.
//
// -DREAL= the centred points, -DPOINT= the points.

extern "C" __global__ void __launch_bounds__(128) centre(
    const POINT *x, long long n_points, long long d, const long long *starts, long long width, REAL *centred,
    REAL *middles) {
  long long f = blockIdx.x * 128LL + threadIdx.x, k = blockIdx.y;
  if (f >= d) return;
  double sum = 0;
  for (long long p = starts[k]; p < starts[k + 1]; ++p) sum += (double)x[p * d + f];
  REAL middle = (REAL)(sum / (double)(starts[k + 1] - starts[k]));
  middles[k * d + f] = middle;
  long long panel = f / width, wide = d - panel * width < width ? d - panel * width : width;
  REAL *column = centred + panel * width * n_points + f % width;
  for (long long p = starts[k]; p < starts[k + 1]; ++p) column[p * wide] = (REAL)x[p * d + f] - middle;
}
