// Minima that the threads of a warp take together. A minimum does not depend on the order in which it is taken, so every
// thread gets the same bits and every run the same result.

#define ALL_LANES 0xffffffffu

__device__ inline unsigned warp_min(unsigned value) {
#if __CUDA_ARCH__ >= 800
  return __reduce_min_sync(ALL_LANES, value);
#else
  for (int apart = 16; apart; apart /= 2) {
    unsigned received = __shfl_xor_sync(ALL_LANES, value, apart);
    if (received < value) value = received;
  }
  return value;
#endif
}

__device__ inline unsigned long long warp_min(unsigned long long value) {
  unsigned high = warp_min((unsigned)(value >> 32));
  unsigned low = warp_min((unsigned)(value >> 32) == high ? (unsigned)value : ~0u);
  return (unsigned long long)high << 32 | low;
}
