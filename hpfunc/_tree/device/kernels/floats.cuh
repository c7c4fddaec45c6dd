// Numbers as the kernels need them: widened without loss, and lower bounds as whole numbers of the same order.
//
// CuPy compiles every text with -ftz=true. Most float32 instructions then read and write denormal numbers as zeros. The
// instruction cvt.f64.f32 (without .ftz) reads them as they are, so every float32 that must be exact goes through it.
//
// -DREAL= float or double, the table of bounds; -DPOINT= float or double, the points.

__device__ inline double wide(float value) {
  double exact;
  asm("cvt.f64.f32 %0, %1;" : "=d"(exact) : "f"(value));
  return exact;
}

__device__ inline double wide(double value) { return value; }

// Four numbers that are loaded in pieces of 16 bytes.
template <class T> struct alignas(16) Four { T at[4]; };

#ifdef REAL
// A key orders like the bound that it stands for. No bound has the key 0, nor NO_KEY.
template <class T> struct KeyOf { typedef unsigned Key; };
template <> struct KeyOf<double> { typedef unsigned long long Key; };
typedef KeyOf<REAL>::Key Key;
#define NO_KEY (~(Key)0)
#define SIGN ((Key)1 << (8 * sizeof(Key) - 1))

__device__ inline unsigned bits_of(float value) { return __float_as_uint(value); }
__device__ inline unsigned long long bits_of(double value) { return __double_as_longlong(value); }
__device__ inline float from_bits(unsigned bits) { return __uint_as_float(bits); }
__device__ inline double from_bits(unsigned long long bits) { return __longlong_as_double(bits); }

__device__ inline Key key_of(REAL bound) {
  Key bits = bits_of(bound);
  return bits & SIGN ? ~bits : bits | SIGN;
}

__device__ inline double bound_of(Key key) { return wide(from_bits(key & SIGN ? key ^ SIGN : ~key)); }
#endif
