/** What an administrator enters to connect an Okta org, and what a private key may look like. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';

export const OktaSettings = z.object({
  /** The org's origin, `https://acme.okta.com` or a custom domain. */
  orgUrl: z
    .url({
      protocol: /^https$/,
      abort: true,
      error: 'must be the https address of the org, such as https://acme.okta.com',
    })
    .refine((url) => `${new URL(url).origin}/` === new URL(url).href, {
      error: 'must be the address of the org alone, without a path, a query or a user name',
      abort: true,
    })
    .refine((url) => !/-admin[.](okta|oktapreview|okta-emea)[.]com$/.test(new URL(url).hostname), {
      error: 'is the address of the admin console; leave out "-admin"',
    })
    .transform((url) => new URL(url).origin),
  /** Of the API services app; needed with a private key. */
  clientId: z.string().trim().min(1).optional(),
  /** Only who is assigned to the app with this id is read. Missing: everybody. */
  appScope: z
    .string()
    .trim()
    .regex(/^\w{1,64}$/, { error: 'must be the id of an app, such as 0oa1gjh63g214q0Hq0g4' })
    .optional(),
  /** Whether users bear the name of their user type, as the custom attribute `type.name`. */
  userTypes: z.boolean().optional(),
});
export type OktaSettings = z.infer<typeof OktaSettings>;

export const OktaCredentials = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('api-token'), token: z.string().trim().min(1) }),
  z.object({
    kind: z.literal('private-key'),
    /** PEM (PKCS #8 or #1), or a JWK as JSON, as Okta's admin console shows it. */
    privateKey: z.string().superRefine((text, context) => {
      const read = readPrivateKey(text);
      if (!read.ok) context.addIssue({ code: 'custom', message: read.problem });
    }),
    /** `kid` of the registered public key. */
    keyId: z.string().trim().min(1),
  }),
]);
export type OktaCredentials = z.infer<typeof OktaCredentials>;

/** A key and the one algorithm that it is used with. */
export type SigningKey = { readonly key: KeyObject; readonly alg: string };
type ReadKey =
  | { readonly ok: true; readonly signing: SigningKey }
  | { readonly ok: false; readonly problem: string };

/** Okta accepts RS256/384/512 and ES256/384/512 ("Build a JWT for client authentication"). */
const algOfCurve: ReadonlyMap<string | undefined, string> = new Map([
  ['prime256v1', 'ES256'],
  ['secp384r1', 'ES384'],
  ['secp521r1', 'ES512'],
]);

/** `problem` says what is wrong with the text and repeats nothing of it. */
export function readPrivateKey(text: string): ReadKey {
  const key = parseKey(text.trim());
  if (key === null)
    return { ok: false, problem: 'is no private key: neither PEM (PKCS #8) nor a private JWK as JSON' };
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength < 2048) return { ok: false, problem: 'is an RSA key of less than 2048 bits' };
    return { ok: true, signing: { key, alg: 'RS256' } };
  }
  const alg = key.asymmetricKeyType === 'ec' ? algOfCurve.get(namedCurve) : undefined;
  if (alg === undefined)
    return { ok: false, problem: 'is of a kind that Okta does not take: use RSA or EC P-256, P-384, P-521' };
  return { ok: true, signing: { key, alg } };
}

function parseKey(text: string): KeyObject | null {
  try {
    return text.startsWith('{')
      ? createPrivateKey({ key: JSON.parse(text), format: 'jwk' })
      : createPrivateKey({ key: text, format: 'pem' });
  } catch {
    return null; // the library's own message could repeat parts of the key
  }
}
