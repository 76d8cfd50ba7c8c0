/** What signing in takes. */
import type { ConnectorDefinition } from '../../connectors/contract.ts';
import type { Clock } from '../domain/clock.ts';
import type { Provider } from '../domain/directory.ts';
import { Problem } from '../domain/problem.ts';
import type { SessionLimits } from '../domain/signIn.ts';
import type { Store } from '../store/store.ts';
import type { Failures } from './failures.ts';
import type { Discoveries } from './openId.ts';

export type SignInDeps = {
  readonly store: Store;
  readonly clock: Clock;
  /** They know how ID tokens name the users of their directories. */
  readonly connectors: Readonly<Record<Provider, ConnectorDefinition>>;
  readonly sessionLimits: SessionLimits;
  /** Where browsers reach us, without a slash at the end; null: not known, and nobody can sign in. */
  readonly publicUrl: () => string | null;
  readonly failures: {
    /** Set-up links, invitations and recovery codes that open nothing. */
    readonly secrets: Failures;
    /** Sign-ins with a provider: strangers spoil as many as they like, and lock up nothing else by it. */
    readonly providers: Failures;
    /** Sign-ins that were not begun, because there is no such provider or it does not answer. */
    readonly beginnings: Failures;
  };
  readonly discoveries: Discoveries;
};

/** Throws `bad-configuration`. */
export function publicUrlFrom({ publicUrl }: Pick<SignInDeps, 'publicUrl'>): string {
  const url = publicUrl();
  if (url !== null) return url;
  throw new Problem({
    code: 'bad-configuration',
    message: 'Nobody can sign in: where browsers reach Rollcall is not known.',
    remedy: 'Set ROLLCALL_PUBLIC_URL to the address that people open, such as https://rollcall.example.com.',
  });
}
