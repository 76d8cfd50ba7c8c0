/** What a YAML document says, in one walk over its nodes, each of which is looked at once: whoever may read can send one. */
import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';

/** Levels. A configuration has a few. */
const DEEPEST = 100;
/** Enough to say a mapping once for many connections. */
const MOST_ALIASES = 100;
/** Nodes that aliases add, all together: what a file swells to is bounded by what it says itself, and this. */
const MOST_BY_ALIASES = 100_000;
/** More are not looked for. */
const MOST_MISTAKES = 50;

export const TOO_DEEP = 'is nested too deeply: a configuration has no more than a few levels';

export type Content = {
  readonly value: unknown;
  /** `offset`: where in the text, in UTF-16 code units. */
  readonly mistakes: readonly { readonly offset: number; readonly message: string }[];
};

/** Of a document that was parsed without errors. Keys are texts; one that is there twice in a map is a mistake. */
export function contentIn(document: Document.Parsed): Content {
  const reading = new Reading();
  const value = document.contents === null ? null : reading.valueOf(document.contents, 0);
  return { value, mistakes: reading.mistakes };
}

type Anchored = { readonly value: unknown; readonly size: number };

class Reading {
  readonly mistakes: { readonly offset: number; readonly message: string }[] = [];
  /** What they stand for from here on: one may be given anew. */
  readonly #anchors = new Map<string, Anchored>();
  /** Nodes so far, those that aliases stand for among them. */
  #size = 0;
  #aliases = 0;
  #byAliases = 0;
  /** Mistakes that may still be found; with none left, what follows is not read any more. */
  #left = MOST_MISTAKES;

  valueOf(node: Node, depth: number): unknown {
    if (depth > DEEPEST) return this.#refuse(node, TOO_DEEP);
    if (this.#left === 0) return null;
    const before = this.#size;
    this.#size += 1;
    if (isAlias(node)) return this.#meant(node.source, node);
    const value = this.#own(node, depth);
    const anchor = isScalar(node) || isMap(node) || isSeq(node) ? node.anchor : undefined;
    if (anchor !== undefined) this.#anchors.set(anchor, { value, size: this.#size - before });
    return value;
  }

  #own(node: Node, depth: number): unknown {
    if (isScalar(node)) return node.value;
    if (isSeq(node)) return node.items.map((item) => this.valueOf(item as Node, depth + 1));
    return isMap(node) ? this.#object(node, depth) : null;
  }

  #object(map: YAMLMap, depth: number): unknown {
    const entries = new Map<string, unknown>();
    for (const { key, value } of map.items) {
      if (this.#left === 0) break;
      if (!isScalar(key)) {
        this.#refuse(map, 'has a key that is no text: correct it');
        continue;
      }
      const name = String(key.value ?? '');
      if (entries.has(name)) this.#refuse(key, 'is there twice in the same map: leave one of them out');
      else entries.set(name, value === null ? null : this.valueOf(value as Node, depth + 1));
    }
    return Object.fromEntries(entries); // defines each, so that none sets a prototype
  }

  #meant(source: string, node: Node): unknown {
    const anchored = this.#anchors.get(source);
    if (anchored === undefined)
      return this.#refuse(node, 'refers to an anchor that is not given before: write out what is meant');
    this.#aliases += 1;
    this.#byAliases += anchored.size;
    this.#size += anchored.size;
    if (this.#aliases <= MOST_ALIASES && this.#byAliases <= MOST_BY_ALIASES) return anchored.value;
    this.#left = 1;
    return this.#refuse(
      node,
      this.#aliases > MOST_ALIASES
        ? `refers to anchors more than ${MOST_ALIASES} times: write out what is meant`
        : `refers by anchors to more than ${MOST_BY_ALIASES} entries: write out what is meant`,
    );
  }

  #refuse(node: Node, message: string): null {
    this.mistakes.push({ offset: node.range?.[0] ?? 0, message });
    if (this.mistakes.length >= MOST_MISTAKES) this.#left = 1;
    return null;
  }
}
