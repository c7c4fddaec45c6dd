// The choice between edges whose bounds overlap, by their lengths in float64.
//
// Every edge out of the tree up to the limit of the lightest one is listed. Warps measure the edges by differences, one
// edge at a time each. The lightest is taken if it is lighter than all others by more than the rounding of such sums;
// if not, the pair is given up with a status. The order in which edges are listed is left to chance and does not
// matter: only one of them can be the lightest.
//
// Memory: lists of CAP entries for each team, in shared memory. Limit: CAP edges in one step, 16 a vertex in all.

#define CAP 128

// What is kept of four vertices: keys of the two lightest edges from the tree (0 when the vertex is in the tree), where
// the lightest comes from, and the vertex's edges so far.
struct State { Key best[4], next[4]; unsigned from[4], degree[4]; };
struct Keys { Key best[QUADS][4]; };  // of all vertices of a thread

struct Lists { int count[2], to[CAP], ends[CAP][2]; double length[CAP]; };
struct Choice { int outcome, found, to, from; };  // found: edges that were measured

__device__ inline int first_vertex(int quad) { return 4 * (quad * TEAM + (int)threadIdx.x % TEAM); }

// List the edges with bounds up to the limit. The keys come by value: a state whose address is known leaves the
// registers.
__device__ __noinline__ void list_edges(const Pair &pair, Keys keys, double limit, Lists &lists) {
  if (threadIdx.x % TEAM == 0) lists.count[0] = lists.count[1] = 0;
  team_sync();
  for (int i = 0; i < QUADS; ++i)
    for (int j = 0; j < 4; ++j) {
      if (!keys.best[i][j] || bound_of(keys.best[i][j]) > limit) continue;
      int k = atomicAdd(&lists.count[0], 1);
      if (k < CAP) lists.to[k] = first_vertex(i) + j;
    }
  team_sync();
  for (int k = 0; k < lists.count[0] && k < CAP; ++k) {
    const REAL *row = pair.table + pair.place(lists.to[k]) * pair.ld;
    for (int i = 0; i < QUADS; ++i)
      for (int j = 0; j < 4; ++j) {
        int u = first_vertex(i) + j;
        if (keys.best[i][j] || !pair.real(u) || wide(row[pair.place(u)]) > limit) continue;
        int e = atomicAdd(&lists.count[1], 1);
        if (e < CAP) { lists.ends[e][0] = lists.to[k]; lists.ends[e][1] = u; }
      }
  }
  team_sync();
}

// Measure the edges that are listed and choose the lightest.
__device__ __noinline__ Choice choose(const Pair &pair, long long allowed, Lists &lists) {
  Choice choice = {UNIQUE, lists.count[1], 0, 0};
  if (lists.count[0] > CAP || choice.found > CAP || choice.found > allowed) {
    choice.outcome = CROWDED;
    return choice;
  }
  for (int e = threadIdx.x % TEAM / 32; e < choice.found; e += WARPS) {
    double length = squared_distance(pair.point(lists.ends[e][0]), pair.point(lists.ends[e][1]), pair.d);
    if (threadIdx.x % 32 == 0) lists.length[e] = length;
  }
  team_sync();
  double first = INFINITE, second = INFINITE;
  for (int e = 0; e < choice.found; ++e) {
    double length = lists.length[e];
    if (length < first) {
      second = first;
      first = length;
      choice.to = lists.ends[e][0];
      choice.from = lists.ends[e][1];
    } else if (length < second) {
      second = length;
    }
  }
  if (second * (1 - pair.slack) - pair.least <= first * (1 + pair.slack)) choice.outcome = TIED;
  return choice;
}
