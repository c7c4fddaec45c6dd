// What the bounds take from one point and one class: side[b, p] = |x'|^2 + 2 x'.m_a - 2 x'.m_b for a point of class a;
// and the radius of each class.
//
// Memory: none but the arrays. `sides`: grid (places / 256, classes), blocks of 256 threads. `radii`: a warp for each
// class. Limit: 65,535 classes.

extern "C" __global__ void __launch_bounds__(256) sides(
    const double *norms, const double *along,  // (places,) |x'|^2 and (K, places) x'.m_k
    const int *label, long long places, REAL *side) {
  long long p = blockIdx.x * 256LL + threadIdx.x, b = blockIdx.y;
  if (p >= places) return;
  side[b * places + p] = (REAL)(norms[p] + 2 * (along[label[p] * places + p] - along[b * places + p]));
}

extern "C" __global__ void __launch_bounds__(32) radii(
    const double *norms, const long long *classes, double *radius) {
  const long long *of = classes + 3 * blockIdx.x;
  double largest = 0;
  for (long long p = threadIdx.x; p < of[2]; p += 32) largest = fmax(largest, norms[of[0] + p]);
  for (int apart = 16; apart; apart /= 2) largest = fmax(largest, __shfl_xor_sync(0xffffffffu, largest, apart));
  if (threadIdx.x == 0) radius[blockIdx.x] = sqrt(largest);
}
