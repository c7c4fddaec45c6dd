// Minimum spanning trees of many pairs of classes at once: Prim's algorithm, exact, one team of threads a pair.
//
// Vertex u belongs to thread u % TEAM of its team, which alone writes what is kept of it: the two lightest edges that
// lead to it from the tree, where the lighter one comes from, and its mark (0 outside the tree, else 1 + degree). Each
// step merges one row of the table and takes the lightest edge.
//
// Exact: an entry L of the table is a lower bound; the true squared distance is at most L (1 + relative) + 2 error. If
// the second lightest edge lies above that limit of the lightest, the lightest is the only choice; if not, lengths in
// float64 decide (contest.cuh). So each edge that is taken is the only lightest one of its cut, the tree is the only
// one, and neither the order of threads nor that of sums can show in it. A pair that is given up has a status.
//
// Memory: an arena of 2 REAL + 2 int for each vertex, in shared memory or, if scratch is given, in global memory.
// Limits: fewer than 2^31 vertices a pair; TEAM at most 1024.

extern "C" __global__ void __launch_bounds__(TEAM * TEAMS) prim(
    const REAL *within, const long long *within_at,       // where the block of each class begins
    const REAL *across, const REAL *back,                 // (rows, cols), (cols, rows): classes to later classes
    long long rows, long long cols, long long row0, long long col0,
    const int *pairs, int n_pairs,                        // (P, 2) classes; the second is -1 for a single cloud
    const long long *starts,                              // (K + 1,) points of each class
    const double *error, long long n_classes, double relative,
    const POINT *x, long long d, double slack, double least_slack, int exact,
    unsigned char *scratch, long long arena_bytes,
    int *status, int *crossing, unsigned long long *degree2,  // (P,) the last set to 0
    int *edges, long long edges_ld) {                     // (P, edges_ld, 2), or null
  extern __shared__ double arena[];
  __shared__ Two slots[TEAMS][2][32];
  __shared__ double sums[32];
  __shared__ Lists lists[TEAMS];
  int team = threadIdx.x / TEAM, me = threadIdx.x % TEAM;
  long long p = (long long)blockIdx.x * TEAMS + team;
  if (p >= n_pairs) return;  // of a block of four warps: they never wait for one another
  int a = pairs[2 * p], b = pairs[2 * p + 1];
  bool two = b >= 0;
  __shared__ Pair described[TEAMS];
  Pair &pair = described[team];
  if (me == 0) {
    pair.m = (int)(starts[a + 1] - starts[a]);
    pair.n = two ? (int)(starts[b + 1] - starts[b]) : 0;
    pair.start_a = starts[a];
    pair.start_b = two ? starts[b] : 0;
    pair.own = within + within_at[a];
    pair.other = two ? within + within_at[b] : within;
    pair.across_ld = cols;
    pair.back_ld = rows;
    pair.across = two ? across + (pair.start_a - row0) * cols + (pair.start_b - col0) : across;
    pair.back = two ? back + (pair.start_b - col0) * rows + (pair.start_a - row0) : back;
    pair.x = x;
    pair.d = d;
    pair.slack = slack;
    pair.least = least_slack;
  }
  team_sync();
  double e_aa = error[a * n_classes + a], e_ab = two ? error[a * n_classes + b] : 0;
  double e_bb = two ? error[b * n_classes + b] : 0;
  double width_a = 2 * (e_aa > e_ab ? e_aa : e_ab), width_b = 2 * (e_bb > e_ab ? e_bb : e_ab);

  const int m = pair.m, size = m + pair.n;
  unsigned char *place = scratch ? scratch + p * arena_bytes : (unsigned char *)arena + team * arena_bytes;
  REAL *best = (REAL *)place, *next = best + size;
  int *parent = (int *)(next + size), *mark = parent + size;
  const Two none = {(REAL)INFINITE, size, (REAL)INFINITE};
  for (int u = me; u < size; u += TEAM) {
    best[u] = next[u] = (REAL)INFINITE;
    mark[u] = u == 0;
  }
  int v = 0, outcome = UNIQUE, crosses = 0;
  long long allowed = 16LL * size;
  unsigned long long squares = 0;
  for (int step = 1; step < size; ++step) {
    Two mine = none;
    for (int u = me; u < size; u += TEAM) {
      if (mark[u]) continue;
      REAL weight = pair.at(v, u);
      if (weight < best[u]) {
        next[u] = best[u];
        best[u] = weight;
        parent[u] = v;
      } else if (weight < next[u]) {
        next[u] = weight;
      }
      lighten(mine, best[u], u, next[u]);
    }
    Two lightest = team_lightest(mine, slots[team][step % 2], none);
    v = lightest.vertex;
    int w = parent[v];
    double limit = lightest.first * (1 + relative) + (v < m ? width_a : width_b) + least_slack;
    if (exact && lightest.second <= limit) {
      Choice choice = contest(pair, limit, best, mark, allowed, lists[team], sums);
      outcome = choice.outcome;
      if (outcome != UNIQUE) break;
      v = choice.to;
      w = choice.from;
      allowed -= choice.found;
    }
    crosses += (v < m) != (w < m);
    if (v % TEAM == me) {
      mark[v] = 2;
      squares += 1;
      if (edges) {
        edges[2 * (p * edges_ld + step - 1)] = v;
        edges[2 * (p * edges_ld + step - 1) + 1] = w;
      }
    }
    if (w % TEAM == me) squares += 2 * mark[w]++ - 1;
  }
  if (me == 0) {
    status[p] = outcome;
    crossing[p] = crosses;
  }
  atomicAdd(&degree2[p], squares);  // whole numbers: in any order the same sum
}
