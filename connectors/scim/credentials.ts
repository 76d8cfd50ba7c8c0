/** What an administrator enters to connect a SCIM server. */
import { z } from 'zod';

const httpsAddress = (what: string) =>
  z
    .url({ protocol: /^https$/, abort: true, error: `must be the https address of ${what}` })
    .refine((url) => URL.parse(url)?.username === '' && URL.parse(url)?.hash === '', {
      error: `must be the address of ${what} alone, without a user name and without #`,
      abort: true,
    });

export const ScimSettings = z.strictObject({
  /** The base URL of the service (RFC 7644, section 1.3): what stands before `/Users`. */
  scimUrl: httpsAddress('the SCIM service')
    .refine((url) => !url.includes('?'), { error: 'must be without a query', abort: true })
    .refine((url) => !/\/(Users|Groups|ServiceProviderConfig)\/*$/i.test(url), {
      error: 'must be what stands before /Users',
    })
    .transform((url) => new URL(url).href.replace(/\/+$/, '')),
  /** `auto`: by cursor where the server says that it can (RFC 9865), else by index. */
  paging: z.enum(['auto', 'index', 'cursor']).default('auto'),
  /** Records asked for at once; left out: as many as the server says that it gives. */
  pageSize: z.int().min(2).max(10_000).optional(),
  /** Where access tokens come from; with credentials of kind `secret` only, like the three below. */
  tokenUrl: httpsAddress('the token endpoint').optional(),
  clientId: z.string().trim().min(1).optional(),
  /** As the authorization server wants it, several with blanks between them. */
  scope: z.string().trim().min(1).optional(),
  /** How the token endpoint is told who asks (RFC 6749, section 2.3.1). */
  clientAuthentication: z.enum(['header', 'body']).default('header'),
});
export type ScimSettings = z.infer<typeof ScimSettings>;

/** RFC 9110, section 5.5: what a header can carry. Anything else was not copied as it is. */
const headerText = z
  .string()
  .trim()
  .regex(/^[\x21-\x7e]+$/, { error: 'is empty, or holds blanks or other characters that no token has' });

export const ScimCredentials = z.discriminatedUnion('kind', [
  /** `Authorization: Bearer` with a token that the server's administrator made. */
  z.strictObject({ kind: z.literal('api-token'), token: headerText }),
  z.strictObject({
    kind: z.literal('basic'),
    userName: z
      .string()
      .min(1)
      .regex(/^[^:]*$/, { error: 'holds a colon, which no user name can here' }),
    password: z.string().min(1),
  }),
  /** OAuth 2.0 client credentials: settings.tokenUrl and settings.clientId go with it. */
  z.strictObject({ kind: z.literal('secret'), clientSecret: z.string().trim().min(1) }),
]);
export type ScimCredentials = z.infer<typeof ScimCredentials>;
