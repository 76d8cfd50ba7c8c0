/** Expressions about a change: what the conditions of policy rules may name. */
import { z } from 'zod';
import type { Fields, FieldValue } from './authUser.ts';
import type { Json } from './canonical.ts';
import { type Cause, type ChangeKind, type FieldChange, setOf, shownFields } from './change.ts';
import { TEXT_ATTRIBUTES } from './directory.ts';
import {
  describeExpressionError,
  type Evaluated,
  type ExpressionError,
  expressionIssue,
  expressionsOver,
} from './expression.ts';
import { seenCustom, seenList, seenText } from './expressionCost.ts';
import type { RiskLevel, RiskSignal } from './risk.ts';
import { type LocalTime, localTime } from './timeZone.ts';

/** Of a change, what conditions see. */
export type JudgedChange = {
  readonly kind: ChangeKind;
  readonly cause: Cause;
  readonly before: Json | null;
  readonly after: Json | null;
  readonly fields: readonly FieldChange[];
  readonly rolesGained: readonly string[];
  readonly rolesLost: readonly string[];
  readonly risk: RiskLevel;
  readonly riskSignals: readonly RiskSignal[];
};

/** Where it is proposed. */
export type JudgedPlace = {
  readonly tenant: { readonly id: string; readonly name: string };
  readonly connection: { readonly id: string; readonly name: string; readonly provider: string };
};

class ExpressionChange {
  readonly of: JudgedChange;
  #fields: readonly string[] | null = null;
  constructor(of: JudgedChange) {
    this.of = of;
  }
  get kind(): string {
    return this.of.kind;
  }
  get set(): string {
    return setOf[this.of.kind];
  }
  get cause(): string {
    return this.of.cause;
  }
  get fields(): readonly string[] {
    this.#fields ??= seenList(shownFields(this.of).map(({ field }) => field));
    return this.#fields;
  }
  get rolesGained(): readonly string[] {
    return seenList(this.of.rolesGained);
  }
  get rolesLost(): readonly string[] {
    return seenList(this.of.rolesLost);
  }
  get risk(): string {
    return this.of.risk;
  }
  get riskSignals(): readonly string[] {
    return this.of.riskSignals;
  }
}

const TEXTS = [...TEXT_ATTRIBUTES, 'userType', 'manager'] as const;
const CUSTOM = 'custom.';

type Described = {
  readonly state: string;
  readonly fields: Fields;
  readonly roles: readonly string[];
  readonly tenant?: string;
};

/** One side of a change. A field without a value, or with one that is no text, is the empty text; a custom one is missing. */
class Side {
  readonly #of: Described | null;
  #custom: ReturnType<typeof seenCustom> | null = null;
  constructor(of: Json | null) {
    this.#of = of as unknown as Described | null;
  }
  get exists(): boolean {
    return this.#of !== null;
  }
  get state(): string {
    return this.#of?.state ?? '';
  }
  get roles(): readonly string[] {
    return seenList(this.#of?.roles ?? []);
  }
  get place(): string {
    return seenText(this.#of?.tenant ?? '');
  }
  get custom(): ReturnType<typeof seenCustom> {
    this.#custom ??= seenCustom(customIn(this.#of?.fields ?? {}));
    return this.#custom;
  }
  textOf(name: string): string {
    const value = this.#of?.fields[name] ?? '';
    return typeof value === 'number' || typeof value === 'string' ? seenText(String(value)) : '';
  }
}
for (const name of TEXTS) {
  Object.defineProperty(Side.prototype, name, {
    get(this: Side) {
      return this.textOf(name);
    },
  });
}

function customIn(fields: Fields): Readonly<Record<string, FieldValue>> {
  const named = Object.entries(fields).filter(([name, value]) => name.startsWith(CUSTOM) && value !== null);
  return Object.fromEntries(named.map(([name, value]) => [name.slice(CUSTOM.length), value]));
}

class Tenant {
  readonly id: string;
  readonly name: string;
  constructor({ id, name }: JudgedPlace['tenant']) {
    this.id = id;
    this.name = seenText(name);
  }
}

class JudgedConnection {
  readonly id: string;
  readonly name: string;
  readonly provider: string;
  constructor({ id, name, provider }: JudgedPlace['connection']) {
    this.id = id;
    this.name = seenText(name);
    this.provider = provider;
  }
}

class Time {
  readonly weekday: string;
  readonly hour: bigint;
  readonly date: string;
  constructor({ weekday, hour, date }: LocalTime) {
    this.weekday = weekday;
    this.hour = BigInt(hour);
    this.date = date;
  }
}

export type ChangeValues = {
  readonly change: ExpressionChange;
  readonly before: Side;
  readonly after: Side;
  /** As they are after it; where nothing is after it, as they were. */
  readonly user: Side;
  readonly tenant: Tenant;
  readonly connection: JudgedConnection;
  readonly time: Time;
};

const compile = expressionsOver<ChangeValues>({
  variables: {
    ...{ change: 'Change', before: 'Side', after: 'Side', user: 'Side' },
    ...{ tenant: 'Tenant', connection: 'Connection', time: 'Time' },
  },
  records: {
    Change: {
      class: ExpressionChange,
      fields: {
        ...{ kind: 'string', set: 'string', cause: 'string', risk: 'string' },
        ...{ fields: 'list<string>', riskSignals: 'list<string>' },
        ...{ rolesGained: 'list<string>', rolesLost: 'list<string>' },
      },
    },
    Side: {
      class: Side,
      fields: {
        ...Object.fromEntries(TEXTS.map((name) => [name, 'string'])),
        ...{ exists: 'bool', state: 'string', place: 'string', roles: 'list<string>' },
        custom: 'map<string, dyn>',
      },
    },
    Tenant: { class: Tenant, fields: { id: 'string', name: 'string' } },
    Connection: { class: JudgedConnection, fields: { id: 'string', name: 'string', provider: 'string' } },
    Time: { class: Time, fields: { weekday: 'string', hour: 'int', date: 'string' } },
  },
});

/** As text, which is checked as it is parsed: the issue says line and column. */
export const ChangeExpression = z.string().superRefine((text, context) => {
  const compiled = compile(text, 'truth');
  const refuse = (error: ExpressionError) => context.addIssue(expressionIssue(error));
  if (!compiled.ok) return refuse(compiled.error);
  for (const use of compiled.expression.uses)
    if (use.path[0] === 'custom' && use.path.length === 1)
      refuse({
        ...use,
        message: `${use.variable}.custom is used without the name of a field: write ${use.variable}.custom.NAME`,
      });
});

/** Of an expression that `ChangeExpression` has let through. */
export function compileChangeExpression(text: string): (values: ChangeValues) => Evaluated<boolean> {
  const compiled = compile(text, 'truth');
  if (!compiled.ok) throw new Error(`not an expression: ${describeExpressionError(compiled.error)}`);
  return compiled.expression.evaluate;
}

type Circumstances = Pick<ChangeValues, 'tenant' | 'connection' | 'time'>;

/** What time zones differ by is a multiple of it, and so local days and hours begin with one. */
const QUARTER_MS = 15 * 60_000;

/** For changes that are judged at the same time, or one soon after the other, worked out once. */
export function circumstancesIn(place: JudgedPlace, timeZone: string): (at: Date) => Circumstances {
  const where = { tenant: new Tenant(place.tenant), connection: new JudgedConnection(place.connection) };
  let known: { readonly quarter: number; readonly values: Circumstances } | null = null;
  return (at) => {
    const quarter = Math.floor(at.getTime() / QUARTER_MS);
    if (known?.quarter !== quarter)
      known = { quarter, values: { ...where, time: new Time(localTime(at, timeZone)) } };
    return known.values;
  };
}

/** The same for the rules of all levels. */
export function valuesOf(change: JudgedChange): Omit<ChangeValues, 'tenant' | 'connection' | 'time'> {
  const [before, after] = [new Side(change.before), new Side(change.after)];
  return { change: new ExpressionChange(change), before, after, user: after.exists ? after : before };
}
