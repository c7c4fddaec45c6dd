// Sums over the degrees of a tree's vertices, which the null distribution needs. Each thread holds the degrees of its own
// vertices; all degrees pass through shared memory, PASSED at a time, to the vertices that hang on them.

#ifndef PASSED
#define PASSED (4 * TEAM * QUADS < 2048 ? 4 * TEAM * QUADS : 2048)
#endif

// Over vertices: squares and cubes of degrees, and vertices of degree 1. Over edges: products of the degrees at both ends.
struct Sums {
  unsigned long long squares, cubes, products, leaves;
};

__device__ inline Sums sum_degrees(const State *state, unsigned short *passed) {
  Sums sums = {0, 0, 0, 0};
  for (int base = 0; base < 4 * TEAM * QUADS; base += PASSED) {
    if (base) team_sync();  // until all have read what was passed before
#pragma unroll 2
    for (int i = 0; i < QUADS; ++i)
      for (int j = 0; j < 4; ++j) {
        unsigned long long degree = state[i].degree[j];
        int u = first_vertex(i) + j;
        if (u < base || u >= base + PASSED) continue;
        passed[u - base] = (unsigned short)degree;
        sums.squares += degree * degree;
        sums.cubes += degree * degree * degree;
        sums.leaves += degree == 1;
      }
    team_sync();
#pragma unroll 2
    for (int i = 0; i < QUADS; ++i)
      for (int j = 0; j < 4; ++j) {
        int u = first_vertex(i) + j, w = (int)state[i].from[j];
        if (u && state[i].degree[j] && w >= base && w < base + PASSED)
          sums.products += (unsigned long long)state[i].degree[j] * passed[w - base];
      }
  }
  return sums;
}
