/** Which groups a simulated company has, and who is in them at first. */
import { departments, sites } from './company.ts';
import { isListed, type Person } from './people.ts';
import { type Random, randomFrom } from './random.ts';

export type Group = {
  readonly serial: number;
  name: string;
  readonly slug: string;
  readonly kind: 'security' | 'mail' | 'dynamic' | 'everyone';
  /** Serials of people, ascending: that is the order of the list, and what its cursors count in. */
  members: number[];
  /** Serials of groups inside this one. May form a circle. */
  readonly children: readonly number[];
  /** How many members are computers (Entra only). */
  readonly devices: number;
  /** How many members are people of another company (Google only). */
  readonly externals: number;
  created: number;
  updated: number;
};

type Plan = {
  readonly name: string;
  readonly kind?: Group['kind'];
  readonly includes?: (person: Person, random: Random) => boolean;
  readonly members?: readonly number[];
  readonly children?: readonly string[];
  readonly devices?: number;
  readonly externals?: number;
};

/** Five deep, and the last holds the first: whoever resolves members must come to an end. */
const programmes: readonly Plan[] = [1, 2, 3, 4, 5].map((step) => ({
  name: `Programme Level ${step}`,
  includes: (_, random) => random.chance(0.01),
  children: [`Programme Level ${step === 5 ? 1 : step + 1}`],
}));

const LARGE = 50_000;

/** Directories whose groups are made to show one thing. */
export const POPULATIONS = {
  'nested-groups': {
    says: 'Groups five deep, the last holding the first; one that holds itself; and one, outside the scope, that lies within another and holds a third.',
    users: null,
    groups: null,
  },
  'large-group': {
    says: 'One group of 50,000 people, or of all where there are fewer.',
    users: 50_000,
    groups: null,
  },
  'group-of-everybody': {
    says: "The group that holds whoever is in the directory: Google's customer as a member, Okta's Everyone.",
    users: null,
    groups: null,
  },
  'many-groups': { says: '2,000 groups, most of them teams of up to forty.', users: null, groups: 2_000 },
} as const satisfies Record<
  string,
  { readonly says: string; readonly users: number | null; readonly groups: number | null }
>;
export type PopulationName = keyof typeof POPULATIONS;

/** What a provider's groups can be like. */
export type GroupKinds = { readonly nested: boolean; readonly everyone: boolean };

/** Whether a provider can have it. */
export function canHave({ nested, everyone }: GroupKinds, population: PopulationName): boolean {
  if (population === 'nested-groups') return nested;
  return population !== 'group-of-everybody' || everyone;
}

/** null: the standard groups. */
function plansOf(population: PopulationName): readonly Plan[] | null {
  switch (population) {
    case 'nested-groups':
      return [
        ...programmes,
        {
          name: 'Holding Itself',
          includes: (person) => person.serial % 7 === 1,
          children: ['Holding Itself'],
        },
        { name: 'Within', includes: (person) => person.serial % 11 === 2, children: ['Outside'] },
        { name: 'Outside', includes: (person) => person.serial % 11 === 3, children: ['Beyond'] },
        { name: 'Beyond', includes: (person) => person.serial % 11 === 4 },
      ];
    case 'large-group':
      return [
        { name: 'Whole Company', includes: (person) => person.serial < LARGE },
        { name: 'Half the Company', includes: (person) => person.serial < LARGE && person.serial % 2 === 0 },
      ];
    case 'group-of-everybody':
      return [{ name: 'Everyone', kind: 'everyone' }];
    case 'many-groups':
      return null;
  }
}

function plansFor(nested: boolean): readonly Plan[] {
  const plans: readonly Plan[] = [
    { name: 'Everyone', kind: 'everyone' },
    {
      name: 'Administrators',
      includes: (person) => person.serial === 0 || person.serial % 97 === 5,
      devices: 1,
    },
    { name: 'All Staff', kind: 'dynamic', includes: (person) => person.kind !== 'guest' },
    ...departments.map((department, index): Plan => {
      const devices = index % 4 === 0 ? 2 : 0;
      return { name: department.name, includes: (person) => person.department === index, devices };
    }),
    { name: 'Product Development', children: ['Engineering', 'Design', 'Research'] },
    { name: 'Leads', includes: (person) => person.title >= 2 },
    { name: 'Contractors', kind: 'mail', includes: (person) => person.kind === 'contractor', externals: 1 },
    { name: 'VPN Users', includes: (_, random) => random.chance(0.3), devices: 3 },
    { name: 'On Call', kind: 'mail', includes: (_, random) => random.chance(0.03), externals: 2 },
    { name: 'Nobody Yet', includes: () => false },
    ...programmes,
    ...sites.map((site, index): Plan => {
      return { name: `Office ${site.city}`, kind: 'mail', includes: (person) => person.site === index };
    }),
  ];
  return nested ? plans : plans.filter((plan) => !plan.children);
}

function slugOf(name: string): string {
  const plain = name.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
  return plain.replace(/[^a-z0-9]+/g, '-');
}

function membersOf(plan: Plan, people: readonly Person[], random: Random): number[] {
  const { includes, members = [] } = plan;
  if (!includes) return [...members];
  return people
    .filter((person) => isListed(person) && includes(person, random))
    .map((person) => person.serial);
}

/** A team of up to forty people, for directories with many groups. */
function team(serial: number, people: readonly Person[], random: Random): Plan {
  const members = new Set<number>();
  for (let wanted = Math.min(people.length, 5 + random.int(36)); wanted > 0; wanted -= 1) {
    const person = people[random.int(people.length)];
    if (person && isListed(person)) members.add(person.serial);
  }
  return { name: `Team ${serial}`, members: [...members].sort((a, b) => a - b) };
}

/**
 * The first `count` groups; the standard ones first, then teams. `everyone` says whether a group of the whole directory is
 * among them, `nested` whether groups hold groups (Okta's do not).
 */
export function makeGroups(
  people: readonly Person[],
  options: GroupKinds & {
    seed: number;
    count: number | null;
    population: PopulationName | null;
    seconds: number;
  },
): Group[] {
  const random = randomFrom(options.seed ^ 0x6702);
  const named = options.population === null ? null : plansOf(options.population);
  const standard =
    named ?? plansFor(options.nested).filter((plan) => plan.kind !== 'everyone' || options.everyone);
  const plans = standard.slice(0, options.count ?? standard.length);
  for (let serial = plans.length; serial < (options.count ?? 0); serial += 1)
    plans.push(team(serial, people, random));
  return plans.map((plan, serial) => ({
    serial,
    name: plan.name,
    slug: slugOf(plan.name),
    kind: plan.kind ?? 'security',
    members: membersOf(plan, people, random),
    children: (plan.children ?? [])
      .map((name) => plans.findIndex((other) => other.name === name))
      .filter((at) => at >= 0),
    devices: plan.devices ?? 0,
    externals: plan.externals ?? 0,
    created: options.seconds,
    updated: options.seconds,
  }));
}

/** Index of the first of the ascending serials that is not below `wanted`. */
export function firstAtLeast(serials: readonly number[], wanted: number): number {
  let low = 0;
  let high = serials.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((serials[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const isMember = (group: Group, serial: number): boolean =>
  group.members[firstAtLeast(group.members, serial)] === serial;

/** Puts somebody in or takes them out; without effect where they already are. */
export function setMember(group: Group, serial: number, member: boolean, seconds: number): void {
  if (isMember(group, serial) === member) return;
  const at = firstAtLeast(group.members, serial);
  if (member) group.members.splice(at, 0, serial);
  else group.members.splice(at, 1);
  group.updated = seconds;
}
