// Squared distance of two points by differences in float64, summed by a warp; every lane gets the same bits.
//
// Where rows lie at addresses that allow it, four numbers are loaded at a time.

__device__ inline double squared_distance(const POINT *x, const POINT *y, long long d) {
  int lane = threadIdx.x % 32;
  double sum = 0;
  if (d % 4 == 0 && ((size_t)x | (size_t)y) % 16 == 0) {
    for (long long f = 4 * lane; f < d; f += 128) {
      Four<POINT> a = *(const Four<POINT> *)(x + f), b = *(const Four<POINT> *)(y + f);
      for (int j = 0; j < 4; ++j) {
        double difference = wide(a.at[j]) - wide(b.at[j]);
        sum += difference * difference;
      }
    }
  } else {
    for (long long f = lane; f < d; f += 32) {
      double difference = wide(x[f]) - wide(y[f]);
      sum += difference * difference;
    }
  }
  for (int apart = 16; apart; apart /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, apart);
  return sum;
}
