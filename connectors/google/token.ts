/**
 * Access tokens: the service account signs an assertion in the administrator's name, Google gives a token for an hour.
 *
 * Google gives a token for all the scopes that are asked for, or none. So all are asked for at once, to need one token only; where
 * that is refused, those that a pull needs, without what is optional; where that is refused too, each scope by itself, so that
 * what is not delegated fails alone and by its name.
 */
import { ConnectorError, type ConnectorFailure } from '../contract.ts';
import { settled } from './library.ts';
import { notDelegated } from './refusals.ts';
import { type Scope, type Subject, scopeOf } from './scopes.ts';

/** `scopes`: as Google words them, where its answer does; else what was asked for. */
export type Grant = { readonly token: string; readonly scopes: readonly string[]; readonly lastsMs: number };
/** null: these scopes are not delegated, or not all of them; `refusal` says so. Throws ConnectorError for anything else. */
export type RequestGrant = (
  scopes: readonly Scope[],
) => Promise<Grant | { readonly refusal: ConnectorFailure }>;

export type Tokens = {
  /**
   * A token to ask about the subject with; a new one when less than five minutes of it are left. Throws 'permission-missing' where
   * its scope is not delegated, and 'credentials-rejected' where none is.
   */
  current(subject: Subject, signal: AbortSignal): Promise<string>;
  /** Those of the needed scopes that Google grants. Throws 'credentials-rejected' where it grants none. */
  granted(signal: AbortSignal): Promise<readonly string[]>;
  /** Google refused one before its time: the next call asks for another. */
  discard(): void;
};

const LEEWAY_MS = 300_000;
/** Delegations are changed by people: a refusal is believed for so long. */
const REFUSED_FOR_MS = 300_000;

type Held = {
  readonly answer: Promise<Grant | { readonly refusal: ConnectorFailure }>;
  /** Infinite until it is answered. */
  until: number;
};

export function openTokens(
  request: RequestGrant,
  needed: readonly Scope[],
  optional: Scope,
  clientId: string | null,
): Tokens {
  const all = [...needed, optional];
  const asked = { scopes: all, clientId };
  const held = new Map<string, Held>();

  /** Callers share one request, so that none of them may abort it. Closing the session does. */
  function ask(scopes: readonly Scope[]): Held['answer'] {
    const key = scopes.join(' ');
    const known = held.get(key);
    if (known !== undefined && known.until > Date.now()) return known.answer;
    const fresh: Held = { answer: request(scopes), until: Number.POSITIVE_INFINITY };
    held.set(key, fresh);
    fresh.answer.then(
      (answer) => {
        fresh.until = Date.now() + ('refusal' in answer ? REFUSED_FOR_MS : answer.lastsMs - LEEWAY_MS);
      },
      () => {
        if (held.get(key) === fresh) held.delete(key);
      },
    );
    return fresh.answer;
  }

  async function grantFor(scope: Scope): Promise<Grant | { readonly refusal: ConnectorFailure }> {
    const whole = await ask(all);
    if (!('refusal' in whole)) return whole;
    const most = await ask(needed);
    if (!('refusal' in most)) return scope === optional ? whole : most;
    return ask([scope]);
  }

  return {
    async current(subject, signal) {
      const scope = scopeOf(subject);
      const answer = await settled(grantFor(scope), signal);
      if (!('refusal' in answer)) return answer.token;
      const others = await settled(Promise.all(all.map(grantFor)), signal);
      const isAlone = others.some((other) => !('refusal' in other));
      throw new ConnectorError(notDelegated(answer.refusal, isAlone ? scope : null, asked));
    },
    async granted(signal) {
      const answers = await settled(Promise.all(needed.map(grantFor)), signal);
      const given = answers.flatMap((answer) => ('refusal' in answer ? [] : answer.scopes));
      const [refused] = answers.flatMap((answer) => ('refusal' in answer ? [answer.refusal] : []));
      if (given.length === 0 && refused !== undefined)
        throw new ConnectorError(notDelegated(refused, null, asked));
      return needed.filter((scope) => given.includes(scope));
    },
    discard() {
      held.clear();
    },
  };
}
