/**
 * Callers whose key was looked up a moment ago. Applications read by the thousand, and would otherwise have the same key looked up
 * each time. What they read brings a stamp along that tells whether any key, principal or tenant has changed since: if so, the key is
 * looked up after all and the request carried out again, so that a key which is revoked opens nothing from then on.
 */
import type { FastifyRequest } from 'fastify';
import type { Clock } from '../domain/clock.ts';
import type { Caller } from '../domain/permission.ts';
import { SUPPORT_HEADER } from './during.ts';
import type { Context } from './route.ts';

/** So soon a key that has reached its end is looked up again, of which no change tells. */
const REMEMBERED_MS = 1_000;
const MOST = 10_000;

type Known = {
  readonly caller: Caller;
  /** What the stamp was before the key was looked up. */
  readonly access: string;
  /** When it was looked up, milliseconds since 1970. */
  readonly at: number;
};

export class RememberedCallers {
  readonly #lookUp: (request: FastifyRequest) => Promise<Caller>;
  readonly #accessStamp: () => Promise<string>;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  readonly #lookingUp = new Map<string, Promise<Known>>();
  readonly #remembered = new WeakMap<FastifyRequest, Known>();

  constructor(
    lookUp: (request: FastifyRequest) => Promise<Caller>,
    accessStamp: () => Promise<string>,
    clock: Clock,
  ) {
    this.#lookUp = lookUp;
    this.#accessStamp = accessStamp;
    this.#clock = clock;
  }

  /** Throws what looking up the caller throws. */
  async identify(request: FastifyRequest): Promise<Caller> {
    const { authorization } = request.headers;
    if (authorization === undefined || request.headers[SUPPORT_HEADER] !== undefined)
      return await this.#lookUp(request);
    const known = this.#known.get(authorization);
    if (known !== undefined && this.#isFresh(known)) {
      this.#remembered.set(request, known);
      return known.caller;
    }
    const lookingUp = this.#lookingUp.get(authorization);
    if (lookingUp === undefined) return (await this.#remember(authorization, request)).caller;
    // Whoever comes in the meantime is confirmed as one who is remembered: the key may have been revoked since it was looked up.
    const found = await lookingUp;
    this.#remembered.set(request, found);
    return found.caller;
  }

  /** A clock that was set back makes nobody remembered for longer. */
  #isFresh({ at }: Known): boolean {
    return Math.abs(this.#clock.now().getTime() - at) < REMEMBERED_MS;
  }

  /** Once for all who come with the same key meanwhile. */
  #remember(authorization: string, request: FastifyRequest): Promise<Known> {
    const finding = this.#find(request)
      .then((known) => {
        if (this.#known.size >= MOST) this.#known.clear();
        this.#known.set(authorization, known);
        return known;
      })
      .finally(() => this.#lookingUp.delete(authorization));
    this.#lookingUp.set(authorization, finding);
    return finding;
  }

  async #find(request: FastifyRequest): Promise<Known> {
    const at = this.#clock.now().getTime();
    const access = await this.#accessStamp();
    const caller = await this.#lookUp(request);
    return { caller, access, at };
  }

  /** Carries the request out. For a caller who was remembered nothing counts that was not confirmed, a failure neither. */
  async confirmed<T>(
    request: FastifyRequest,
    run: (caller: Caller | null, confirm: Context['confirm']) => Promise<T>,
  ): Promise<T> {
    const known = this.#remembered.get(request);
    if (known === undefined) return await run(request.caller, () => {});
    try {
      return await run(known.caller, (access) => {
        if (access !== known.access) throw new Error('the caller may have changed');
      });
    } catch {
      request.caller = await this.#lookUp(request);
      return await run(request.caller, () => {});
    }
  }
}
