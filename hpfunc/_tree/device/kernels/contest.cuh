// The choice between edges whose bounds overlap, by their lengths in float64.
//
// Every edge up to the limit of the lightest one is listed and measured by differences. The lightest is taken if it is
// lighter than all others by more than the rounding of such sums; else the pair is given up with a status. The order
// in which edges are listed is left to chance, and does not matter: only one of them can be the lightest.
//
// Memory: two lists of CAP entries a team, in shared memory. Limit: CAP edges in one step, 16 a vertex in all.

#define CAP 128
enum { UNIQUE, CROWDED, TIED };

struct Pair {  // the table of a pair: its first class has the vertices 0 to m - 1, its second the n after them
  const REAL *own, *across, *back, *other;
  long long across_ld, back_ld, start_a, start_b, d;
  const POINT *x;
  double slack, least;  // what sums of differences may be off: relative, and at least
  int m, n;
  __device__ REAL at(int u, int v) const {
    if (u < m) return v < m ? own[(long long)u * m + v] : across[u * across_ld + (v - m)];
    return v < m ? back[(u - m) * back_ld + v] : other[(long long)(u - m) * n + (v - m)];
  }
  __device__ const POINT *point(int u) const { return x + (u < m ? start_a + u : start_b + (u - m)) * d; }
};

struct Lists { int count[2], to[CAP], ends[CAP][2]; };

struct Choice { int outcome, found, to, from; };  // found: edges that were measured

__device__ __noinline__ Choice contest(
    const Pair &pair, double limit, const REAL *best, const int *mark, long long allowed,
    Lists &lists, double *sums) {
  int me = threadIdx.x % TEAM, size = pair.m + pair.n;
  if (me == 0) lists.count[0] = lists.count[1] = 0;
  team_sync();
  for (int u = me; u < size; u += TEAM) {
    if (mark[u] || best[u] > limit) continue;
    int k = atomicAdd(&lists.count[0], 1);
    if (k < CAP) lists.to[k] = u;
  }
  team_sync();
  for (int k = 0; k < lists.count[0] && k < CAP; ++k) {
    for (int u = me; u < size; u += TEAM) {
      if (!mark[u] || pair.at(lists.to[k], u) > limit) continue;
      int e = atomicAdd(&lists.count[1], 1);
      if (e < CAP) { lists.ends[e][0] = lists.to[k]; lists.ends[e][1] = u; }
    }
  }
  team_sync();
  Choice choice = {UNIQUE, lists.count[1], 0, 0};
  if (lists.count[0] > CAP || choice.found > CAP || choice.found > allowed) {
    choice.outcome = CROWDED;
    return choice;
  }
  double first = INFINITE, second = INFINITE;
  for (int e = 0; e < choice.found; ++e) {
    int one = lists.ends[e][0], other = lists.ends[e][1];
    double length = measured(pair.point(one), pair.point(other), pair.d, sums);
    if (length < first) { second = first; first = length; choice.to = one; choice.from = other; }
    else if (length < second) second = length;
  }
  if (second * (1 - pair.slack) - pair.least <= first * (1 + pair.slack)) choice.outcome = TIED;
  return choice;
}
