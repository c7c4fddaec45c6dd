// Two classes whose points stand in one table, or a single class, seen as one cloud: its vertices and where they are.

#define INFINITE __longlong_as_double(0x7ff0000000000000LL)
enum { UNIQUE, CROWDED, TIED };

// The vertices of the first class are its points and the padding after them, up to `second`; those of the second class
// follow.
struct Pair {
  const REAL *table;
  const POINT *x;
  long long ld, d, place_a, place_b, row_a, row_b;  // where the classes begin in the table, and in the points
  double slack, least;  // what sums of differences may be off: relative, and at least
  int m, n, second;     // points of each class, and the first vertex of the second class
  __device__ bool real(int u) const { return u < m || (u >= second && u - second < n); }
  __device__ long long place(int u) const { return u < second ? place_a + u : place_b + (u - second); }
  __device__ const POINT *point(int u) const { return x + (u < second ? row_a + u : row_b + (u - second)) * d; }
  __device__ int vertices() const { return second + (n + 3) / 4 * 4; }  // with padding
};

// Describe classes a and b, or class a alone if b is -1. `classes`: (K, 3) first place, first row, points.
__device__ inline Pair pair_of(
    const REAL *table, long long ld, const POINT *x, long long d, const long long *classes, int a, int b, double slack,
    double least) {
  const long long *first = classes + 3 * a, *second = classes + 3 * (b < 0 ? a : b);
  return {table, x, ld, d, first[0], second[0], first[1], second[1], slack, least, (int)first[2],
          b < 0 ? 0 : (int)second[2], ((int)first[2] + 3) / 4 * 4};
}
