// The lightest edge that leaves each vertex for another component: by bounds, and then, of those in doubt, by lengths.
//
// `nearest` keeps the lightest bound of every vertex, and of every component. `weigh` lists the edges of a component
// whose bounds overlap with its lightest one, and measures them by differences, an edge a warp.
//
// Memory: none but the forest. Grids: a warp for each vertex; blocks of 256 threads. Limit: 16 measured edges a vertex
// in all rounds together.

extern "C" __global__ void __launch_bounds__(256) nearest(Forest *forest) {
  const Forest &f = *forest;
  int u = warp_index(), lane = threadIdx.x % 32, vertices = f.pair.vertices();
  if (f.over() || u >= vertices || !f.pair.real(u)) return;
  const REAL *row = f.pair.table + f.pair.place(u) * f.pair.ld;
  int own = f.component[u];
  Key least = NO_KEY;
  for (int w = 4 * lane; w < vertices; w += 128) {
    Four<REAL> bounds = *(const Four<REAL> *)(row + f.pair.place(w));
    Four<int> components = *(const Four<int> *)(f.component + w);
    for (int j = 0; j < 4; ++j) {
      Key key = key_of(bounds.at[j]);
      if (components.at[j] != own && components.at[j] >= 0 && key < least) least = key;
    }
  }
  unsigned long long found = warp_min(least);
  if (lane) return;
  f.nearest[u] = found;
  atomicMin(&f.lightest[own], found);
}

extern "C" __global__ void __launch_bounds__(256) weigh(Forest *forest) {
  const Forest &f = *forest;
  int u = warp_index(), lane = threadIdx.x % 32, vertices = f.pair.vertices();
  if (f.over() || u >= vertices || !f.pair.real(u)) return;
  int own = f.component[u];
  double limit = f.limit(f.lightest[own]);
  unsigned long long first = NO_VALUE, second = NO_VALUE, edge = NO_VALUE;
  const REAL *row = f.pair.table + f.pair.place(u) * f.pair.ld;
  for (int base = 0; base < vertices && bound_of((Key)f.nearest[u]) <= limit; base += 128)
    for (int j = 0; j < 4; ++j) {
      int w = base + 4 * lane + j;
      bool listed = w < vertices && f.component[w] >= 0 && f.component[w] != own && wide(row[f.pair.place(w)]) <= limit;
      unsigned lanes = __ballot_sync(ALL_LANES, listed);
      if (!lanes) continue;
      if (!f.exact) {
        first = 0;
        unsigned long long mine = warp_min(listed ? edge_of(u, w) : NO_VALUE);
        if (mine < edge) edge = mine;
        continue;
      }
      unsigned more = __popc(lanes), fits = 1;
      if (lane == 0) fits = atomicAdd(&forest->spent, (unsigned long long)more) + more <= f.allowed;
      if (!warp_min(fits)) {
        f.result[0] = CROWDED;
        return;
      }
      for (; lanes; lanes &= lanes - 1) {
        int v = base + 4 * (__ffs(lanes) - 1) + j;
        unsigned long long length = bits_of(squared_distance(f.pair.point(u), f.pair.point(v), f.pair.d));
        if (length < first) {
          second = first;
          first = length;
          edge = edge_of(u, v);
        } else if (length < second) {
          second = length;
        }
      }
    }
  if (lane) return;
  f.first[u] = first;
  f.second[u] = second;
  f.edge[u] = edge;
  atomicMin(&f.shortest[own], first);
}
