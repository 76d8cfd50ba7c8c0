/**
 * Where in the tree of tenants a mapping puts people: paths of names below the connection's tenant, written as templates such as
 * `Offices/{officeLocation}`. Nobody is ever put elsewhere.
 */
import { z } from 'zod';
import { type CustomValue, customValue, type DirectoryUser, TEXT_ATTRIBUTES } from './directory.ts';
import type { TenantId } from './ids.ts';
import { cleanText } from './normalise.ts';

/** Names of tenants joined by `/`, from below the connection's tenant on; null: the connection's tenant itself. */
export type Place = string | null;

/** Where somebody is to be. */
export type Placed = {
  readonly path: Place;
  /** Tenants on the way that are missing may be made. */
  readonly mayBeMade: boolean;
};

/** Deeper than any organisation; a template with an org unit's path in it could be of any depth. */
const DEEPEST = 16;
const LONGEST_NAME = 100;
/** Is a path itself: each of its parts names a tenant. */
const PATH_ATTRIBUTE = 'orgUnit';

const PLAIN: ReadonlySet<string> = new Set([...TEXT_ATTRIBUTES, 'userType', 'manager']);

/** An attribute of a directory user, by the name of the field that it becomes. */
export const AttributeName = z
  .string()
  .max(250)
  .refine(
    (name) => PLAIN.has(name) || /^custom\../.test(name),
    'is no attribute: it has to be one of the fields of a mapping, or custom.<name>',
  );

/** By the name of the field that it becomes. null: the user has no value there. */
export function attributeOf(user: DirectoryUser, attribute: string): CustomValue | null {
  const custom = attribute.startsWith('custom.');
  return custom
    ? customValue(user, attribute.slice('custom.'.length))
    : user[attribute as 'userName' | 'userType'];
}

/** All values that the user has there: a custom attribute may have several. */
export function valuesOf(user: DirectoryUser, attribute: string): readonly string[] {
  const value = attributeOf(user, attribute);
  if (value === null) return [];
  return Array.isArray(value) ? value : [String(value)];
}

/** `{officeLocation}`: replaced by the user's value. */
const ATTRIBUTE = /\{([^{}]*)\}/g;

export const PlaceTemplate = z.string().superRefine((text, context) => {
  for (const message of wrongIn(text)) context.addIssue({ code: 'custom', message });
});

function wrongIn(text: string): readonly string[] {
  if (text === '/') return [];
  const names = text.split('/');
  if (names.length > DEEPEST) return [`is deeper than ${DEEPEST} tenants`];
  return names.flatMap(wrongInName);
}

function wrongInName(name: string): readonly string[] {
  if (name === '')
    return ['has an empty name: names are joined by single slashes, without one at either end'];
  const attributes = [...name.matchAll(ATTRIBUTE)].map(([, attribute = '']) => attribute);
  const literal = name.replaceAll(ATTRIBUTE, 'x');
  if (/[{}]/.test(literal)) return [`has a brace without its counterpart in ${JSON.stringify(name)}`];
  const unknown = attributes.filter((attribute) => !AttributeName.safeParse(attribute).success);
  if (unknown.length > 0) return unknown.map((attribute) => `names {${attribute}}, which is no attribute`);
  if (attributes.includes(PATH_ATTRIBUTE) && name !== `{${PATH_ATTRIBUTE}}`)
    return [
      `has {${PATH_ATTRIBUTE}} beside other text: it is a path, and has to stand between slashes alone`,
    ];
  if (attributes.length === 0 && nameFrom(name) !== name)
    return [`has a name that no tenant can have: ${JSON.stringify(name)}`];
  return cleanText(literal) === literal ? [] : [`has blanks at the ends of ${JSON.stringify(name)}`];
}

/** A value as a tenant can be called; null where nothing is left, or it is too long, or looks like an id. */
function nameFrom(value: string): string | null {
  const name = cleanText(value.replaceAll(/\s*\/\s*/g, '-'))?.replaceAll(/\s+/g, ' ') ?? null;
  if (name === null || name.length > LONGEST_NAME || z.uuid().safeParse(name).success) return null;
  return name;
}

/** Where the template puts a user; undefined where an attribute in it has no value of which a name can be made. */
export function compileTemplate(template: string): (user: DirectoryUser) => Place | undefined {
  if (template === '/') return () => null;
  const names = template.split('/').map(compileName);
  return (user) => {
    const path: string[] = [];
    for (const name of names) {
      const made = name(user);
      if (made === null) return;
      path.push(...made);
    }
    return path.length > DEEPEST ? undefined : path.join('/') || null;
  };
}

function compileName(name: string): (user: DirectoryUser) => readonly string[] | null {
  if (name === `{${PATH_ATTRIBUTE}}`) return unitNames;
  const attributes = [...name.matchAll(ATTRIBUTE)].map(([, attribute = '']) => attribute);
  if (attributes.length === 0) return () => [name];
  const literals = name.replaceAll(ATTRIBUTE, '{}').split('{}');
  const made = new Map<string, readonly string[] | null>();
  return (user) => {
    let text = literals[0] ?? '';
    for (const [at, attribute] of attributes.entries()) {
      const value = onlyValue(user, attribute);
      if (value === null) return null;
      text += value + (literals[at + 1] ?? '');
    }
    const known = made.get(text); // many people are in few places
    if (known !== undefined) return known;
    const cleaned = nameFrom(text);
    if (made.size > 10_000) made.clear(); // bounded, whatever the directory is like
    made.set(text, cleaned === null ? null : [cleaned]);
    return cleaned === null ? null : [cleaned];
  };
}

/** Whether a template puts somebody, or may put somebody, in the tenant of these names, or in one below it. */
export function mayLeadTo(template: string, names: readonly string[]): boolean {
  if (template === '/') return false;
  const parts = template.split('/');
  for (const [at, name] of names.entries()) {
    const part = parts[at];
    if (part === undefined) return false;
    if (part === `{${PATH_ATTRIBUTE}}`) return true; // any number of names
    const [first = '', ...rest] = part.replaceAll(ATTRIBUTE, '{}').split('{}');
    const last = rest.at(-1);
    const fits = last === undefined ? name === first : name.startsWith(first) && name.endsWith(last);
    if (!fits) return false;
  }
  return true;
}

/** Several values are no name. */
function onlyValue(user: DirectoryUser, attribute: string): string | null {
  const [value, ...more] = valuesOf(user, attribute);
  return value === undefined || more.length > 0 ? null : cleanText(value);
}

/** The org unit `/` is the top itself: no name follows from it. */
function unitNames(user: DirectoryUser): readonly string[] | null {
  if (user.orgUnit === null) return null;
  const names = user.orgUnit.split('/').filter((part) => part.trim() !== '');
  const made = names.map(nameFrom);
  return made.includes(null) ? null : (made as readonly string[]);
}

/** The tenants below a connection's tenant, by where they stand. */
export type Places = {
  /** missing: there is none. closed: it, or one above it, is to be deleted, and takes nobody in. */
  readonly find: (place: Place) => TenantId | 'missing' | 'closed';
  /** The tenants on the way there, from below the connection's on, as far as there are any. */
  readonly way: (place: Place) => readonly TenantId[];
  /** undefined for a tenant that is none of these. */
  readonly of: (tenant: TenantId) => Place | undefined;
};

export type KnownPlace = {
  readonly id: TenantId;
  /** Names from below the connection's tenant on. */
  readonly names: readonly string[];
  readonly closed: boolean;
};

export function placesBelow(top: TenantId, below: readonly KnownPlace[]): Places {
  const paths = new Map<TenantId, Place>([[top, null]]);
  const found = new Map<string, KnownPlace>();
  for (const place of below) {
    const path = place.names.join('/');
    paths.set(place.id, path);
    // A name with a slash in it is made by hand: no path leads there.
    if (!place.names.some((name) => name.includes('/'))) found.set(path, place);
  }
  const isClosed = (path: string): boolean => {
    const end = path.lastIndexOf('/');
    return found.get(path)?.closed === true || (end > 0 && isClosed(path.slice(0, end)));
  };
  return {
    find: (place) => {
      if (place === null) return top;
      if (isClosed(place)) return 'closed';
      return found.get(place)?.id ?? 'missing';
    },
    way: (place) => wayThere(place, (path) => found.get(path)?.id),
    of: (tenant) => paths.get(tenant),
  };
}

/** Those of the tenants on the way to a place that `find` has, up to the first that it has not. */
export function wayThere(place: Place, find: (path: string) => TenantId | undefined): readonly TenantId[] {
  const names = place?.split('/') ?? [];
  const way: TenantId[] = [];
  for (const depth of names.keys()) {
    const tenant = find(names.slice(0, depth + 1).join('/'));
    if (tenant === undefined) break;
    way.push(tenant);
  }
  return way;
}
