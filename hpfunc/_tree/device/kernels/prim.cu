// Minimum spanning trees of many pairs of classes at once: Prim's algorithm, exact, one team of threads for each pair.
//
// Vertices are owned by threads, four neighbours at a time: quad q of a pair belongs to thread q % TEAM of its team,
// which keeps the state of these vertices in registers. Each step loads the row of the newest vertex of the tree, 16
// bytes at a time, and takes the lightest edge out of the tree.
//
// Exact: an entry L of the table is a lower bound; the true squared distance is at most L (1 + relative) + 2 error. If
// the second lightest edge lies above that limit of the lightest, the lightest is the only choice; if not, lengths in
// float64 decide (contest.cuh). So each edge that is taken is the only lightest one of its cut, the tree is the only
// one, and neither the order of threads nor that of sums can show in it. A pair that is given up has a status.
//
// Memory: QUADS states for each thread, in registers up to 2 and beyond that in memory of its own. Limits: 4 TEAM QUADS
// places a pair; TEAM at most 1024.

extern "C" __global__ void __launch_bounds__(TEAM * TEAMS) prim(
    const REAL *__restrict__ table, long long ld,  // (places, places), each class at a place that 4 divides
    const long long *classes,                      // (K, 3) first place, first row among the points, points
    const int *pairs, int n_pairs,                 // (P, 2) classes
    const double *error, int n_classes, double relative,
    const POINT *x, long long d, double slack, double least_slack, int exact,
    unsigned long long *results) {                 // (P, 6) status, cross edges, and sums of degrees: over vertices
                                                   // squared and cubed, over edges of products, leaves; zeros
  __shared__ Lightest slots[TEAMS][2][32];
  __shared__ Lists lists[TEAMS];
  __shared__ Pair described[TEAMS];
  __shared__ unsigned short passed[TEAMS][PASSED];
  int team = threadIdx.x / TEAM, me = threadIdx.x % TEAM;
  long long p = (long long)blockIdx.x * TEAMS + team;
  if (p >= n_pairs) return;  // a warp of a block of four: they never wait for one another
  int a = pairs[2 * p], b = pairs[2 * p + 1];
  Pair &pair = described[team];
  if (me == 0) pair = pair_of(table, ld, x, d, classes, a, b, slack, least_slack);
  team_sync();
  double e_aa = error[a * n_classes + a], e_ab = error[a * n_classes + b], e_bb = error[b * n_classes + b];
  double width_a = 2 * (e_aa > e_ab ? e_aa : e_ab), width_b = 2 * (e_bb > e_ab ? e_bb : e_ab);

  const int second = pair.second, size = pair.m + pair.n, places = pair.vertices();
  State state[QUADS];
  long long column[QUADS];  // threads without a vertex read what all read, and keep nothing of it
#pragma unroll 2
  for (int i = 0; i < QUADS; ++i) {
    int u = first_vertex(i);
    column[i] = pair.place(u < places ? u : 0);
    for (int j = 0; j < 4; ++j) {
      bool outside = u + j > 0 && pair.real(u + j);
      state[i].best[j] = state[i].next[j] = outside ? NO_KEY : 0;
      state[i].from[j] = state[i].degree[j] = 0;
    }
  }
  int v = 0, outcome = UNIQUE, crosses = 0;
  long long allowed = 16LL * size;
  for (int step = 1; step < size; ++step) {
    const REAL *row = table + pair.place(v) * ld;
    Lightest mine = {NO_KEY, NO_KEY, NO_VERTEX, NO_VERTEX};
#pragma unroll 2
    for (int i = 0; i < QUADS; ++i) {
      Four<REAL> bounds = *(const Four<REAL> *)(row + column[i]);
      State &s = state[i];
      for (int j = 0; j < 4; ++j) {
        Key key = key_of(bounds.at[j]);
        bool lighter = key < s.best[j];  // never in the tree, where both keys are 0
        s.next[j] = lighter ? s.best[j] : key < s.next[j] ? key : s.next[j];
        s.best[j] = lighter ? key : s.best[j];
        s.from[j] = lighter ? v : s.from[j];
        // Keys less 1: those of vertices in the tree become the largest, so that they are never the lightest.
        merge(mine, s.best[j] - 1, s.next[j] - 1, first_vertex(i) + j, s.from[j]);
      }
    }
    Lightest lightest = team_lightest(mine, slots[team][step % 2]);
    v = lightest.vertex;
    int w = lightest.from;
    double limit = bound_of(lightest.first + 1) * (1 + relative) + (v < second ? width_a : width_b) + least_slack;
    if (exact && lightest.second != NO_KEY && bound_of(lightest.second + 1) <= limit) {
      Keys keys;
#pragma unroll 2
      for (int i = 0; i < QUADS; ++i)
        for (int j = 0; j < 4; ++j) keys.best[i][j] = state[i].best[j];
      list_edges(pair, keys, limit, lists[team]);
      Choice choice = choose(pair, allowed, lists[team]);
      outcome = choice.outcome;
      if (outcome != UNIQUE) break;
      v = choice.to;
      w = choice.from;
      allowed -= choice.found;
    }
    crosses += (v < second) != (w < second);
#pragma unroll 2
    for (int i = 0; i < QUADS; ++i)
      for (int j = 0; j < 4; ++j) {
        int u = first_vertex(i) + j;
        if (u == v) {
          state[i].best[j] = state[i].next[j] = 0;
          state[i].from[j] = w;
        }
        state[i].degree[j] += u == v || u == w;
      }
  }
  Sums sums = sum_degrees(state, passed[team]);
  if (me == 0) {
    results[6 * p] = outcome;
    results[6 * p + 1] = crosses;
  }
  // Whole numbers: in any order the same sum.
  atomicAdd(&results[6 * p + 2], sums.squares);
  atomicAdd(&results[6 * p + 3], sums.cubes);
  atomicAdd(&results[6 * p + 4], sums.products);
  atomicAdd(&results[6 * p + 5], sums.leaves);
}
