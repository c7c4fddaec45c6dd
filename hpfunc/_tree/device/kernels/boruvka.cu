// The minimum spanning tree of one pair or cloud: Boruvka's algorithm, exact, with as many blocks as it has vertices for.
//
// `begin` makes every vertex a component. Then rounds, of five launches each: `nearest` finds the lightest bound from
// each vertex to another component; `weigh` measures, by differences, every edge out of a component whose bound
// overlaps with the lightest one of that component; `choose` finds the shortest; `join` takes it and hangs the component
// on the one that it leads to; `relabel` names the new components. After as many rounds as the number of points has
// binary digits there is one component; launches that have nothing to do return at once.
//
// Exact: bounds and limits are those of prim.cu. An edge is taken only if it is shorter than every other edge out of the
// component by more than the rounding of such sums. So the tree is the only one, no circle can close, and neither the
// order of threads nor that of sums can show in it. Without -exact-, of equal bounds the edge of the lower vertices
// counts as the lighter one, for both components that it joins, so that no circle can close either.
//
// Memory: what forest.cuh lays out. Grid: a thread for each vertex; blocks of 256 threads. Limit: 2**31 vertices.

extern "C" __global__ void __launch_bounds__(256) begin(
    const REAL *table, long long ld, const long long *classes, int a, int b, const double *error, int n_classes,
    double relative, const POINT *x, long long d, double slack, double least, int exact,
    unsigned long long *memory, int *result) {  // b: -1 for a single cloud; result: zeros
  Forest f = lay_out(pair_of(table, ld, x, d, classes, a, b, slack, least), memory, result);
  f.relative = relative;
  f.least = least;
  f.exact = exact;
  double largest = error[a * n_classes + a];
  if (b >= 0) largest = fmax(largest, fmax(error[a * n_classes + b], error[b * n_classes + b]));
  f.width = 2 * largest;
  int u = thread_index();
  if (u == 0) *(Forest *)memory = f;
  if (u >= f.pair.vertices()) return;
  f.component[u] = f.parent[u] = f.pair.real(u) ? u : -1;
  f.lightest[u] = f.shortest[u] = f.choice[u] = NO_VALUE;
  f.close[u] = 0;
}

extern "C" __global__ void __launch_bounds__(256) choose(Forest *forest) {
  const Forest &f = *forest;
  int u = thread_index();
  if (f.over() || u >= f.pair.vertices() || !f.pair.real(u) || f.first[u] == NO_VALUE) return;
  int own = f.component[u], close = 0;
  if (f.first[u] == f.shortest[own]) atomicMin(&f.choice[own], f.edge[u]);
  double most = from_bits(f.shortest[own]) * (1 + f.pair.slack);
  close += from_bits(f.first[u]) * (1 - f.pair.slack) - f.pair.least <= most;
  close += f.second[u] != NO_VALUE && from_bits(f.second[u]) * (1 - f.pair.slack) - f.pair.least <= most;
  if (close) atomicAdd(&f.close[own], close);
}

extern "C" __global__ void __launch_bounds__(256) join(Forest *forest) {
  const Forest &f = *forest;
  int c = thread_index();
  if (f.over() || c >= f.pair.vertices() || f.component[c] != c) return;
  if (f.exact && f.close[c] > 1) f.result[0] = TIED;
  unsigned long long edge = f.choice[c];
  int to = f.component[lower_end(edge)];
  if (to == c) to = f.component[upper_end(edge)];
  bool root = f.choice[to] == edge && c < to;  // both took it: the lower one stays a root, and keeps the edge
  f.parent[c] = root ? c : to;
  if (f.choice[to] == edge && !root) return;
  int k = 1 + atomicAdd(&f.result[1], 1);
  f.result[2 * k] = lower_end(edge);
  f.result[2 * k + 1] = upper_end(edge);
}

extern "C" __global__ void __launch_bounds__(256) relabel(Forest *forest) {
  const Forest &f = *forest;
  int u = thread_index();
  if (f.over() || u >= f.pair.vertices() || !f.pair.real(u)) return;
  int root = f.component[u];
  while (f.parent[root] != root) root = f.parent[root];
  f.component[u] = root;
  f.lightest[u] = f.shortest[u] = f.choice[u] = NO_VALUE;
  f.close[u] = 0;
}
