/** A slow, obvious twin of the tree of tenants: it keeps parents, and works out everything else anew each time. */

export type Tree = {
  /** Below a tenant that is there. */
  create(id: string, number: string, name: string, parent: string): boolean;
  move(id: string, parent: string): boolean;
  delete(id: string): boolean;
  readonly tenants: ReadonlyMap<string, { readonly path: readonly string[]; readonly dataKey: string }>;
};

/** Each verb says whether it is allowed; nothing has happened where it is not. */
export function tenantTree(root: string): Tree {
  type Node = {
    readonly id: string;
    readonly number: string;
    readonly name: string;
    readonly parent: string | null;
  };
  let nodes: readonly Node[] = [{ id: root, number: '', name: '', parent: null }];
  const find = (id: string | null) => nodes.find((node) => node.id === id);
  const lineOf = (id: string): readonly Node[] => {
    const node = find(id);
    if (node === undefined) throw new Error(`there is no tenant ${id}`);
    return node.parent === null ? [node] : [...lineOf(node.parent), node];
  };
  const isTaken = (parent: string, name: string) =>
    nodes.some((node) => node.parent === parent && node.name === name);
  return {
    create: (id, number, name, parent) => {
      if (find(parent) === undefined || isTaken(parent, name)) return false;
      nodes = [...nodes, { id, number, name, parent }];
      return true;
    },
    move: (id, parent) => {
      const node = find(id);
      if (node === undefined || node.parent === null || find(parent) === undefined) return false;
      if (node.parent === parent) return true;
      if (lineOf(parent).includes(node) || isTaken(parent, node.name)) return false;
      nodes = nodes.map((one) => (one === node ? { ...one, parent } : one));
      return true;
    },
    delete: (id) => {
      const node = find(id);
      if (node === undefined || node.parent === null || nodes.some((one) => one.parent === id)) return false;
      nodes = nodes.filter((one) => one !== node);
      return true;
    },
    get tenants() {
      const placed = nodes.map(({ id }) => {
        const line = lineOf(id);
        const dataKey = line.slice(1).map(({ number }) => `${number}.`);
        return [id, { path: line.map((node) => node.id), dataKey: dataKey.join('') }] as const;
      });
      return new Map(placed);
    },
  };
}
