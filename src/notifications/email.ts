/** Handing mail in by SMTP: over TLS, or not at all, unless the server is this very machine. */
import { type BlockList, isIP } from 'node:net';
import { createTransport } from 'nodemailer';
import { faultOf, trusting } from '../../connectors/transport.ts';
import type { MailServer } from '../domain/channel.ts';
import { isLoopback } from '../domain/signIn.ts';
import { asHtml, asText, type Shown } from './formats.ts';
import { addressOf, Unreachable } from './reach.ts';
import type { Sent } from './sent.ts';

export type Mail = {
  readonly server: MailServer;
  readonly password: string | null;
  readonly to: readonly string[];
};

/** One attempt takes no longer, all in all. */
const LONGEST_MS = 60_000;

/**
 * `id`: the same for every attempt at one message: becomes its Message-ID, by which mail systems know one that came twice. `allowed`: null
 * where whoever runs Rollcall has named the server.
 */
export async function send(
  { server, password, to }: Mail,
  shown: Shown,
  {
    id,
    allowed,
    signal,
  }: { readonly id: string; readonly allowed: BlockList | null; readonly signal: AbortSignal },
): Promise<Sent> {
  const { host, port, tls, user, from, ca } = server;
  try {
    const transport = createTransport({
      host: allowed === null ? host : await addressOf(host, allowed),
      port,
      secure: tls === 'implicit',
      requireTLS: tls === 'starttls' && !isLoopback(host),
      ...(user === null ? {} : { auth: { user, pass: password ?? '' } }),
      tls: { secureContext: trusting(ca), ...(isIP(host) === 0 ? { servername: host } : {}) },
      connectionTimeout: 10_000,
      greetingTimeout: 10_000,
      socketTimeout: 30_000,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    try {
      const { rejected } = await transport.sendMail({
        signal: AbortSignal.any([signal, AbortSignal.timeout(LONGEST_MS)]),
        from: { name: 'Rollcall', address: from },
        to: [...to],
        subject: `[Rollcall] ${shown.title}`,
        text: asText(shown),
        html: asHtml(shown),
        messageId: `<${id}@${from.slice(from.lastIndexOf('@') + 1)}>`,
        // So that no out-of-office note comes back (RFC 3834).
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
      });
      // Those who were taken have it: sending it again to all would be worse.
      const refused = rejected.length;
      return {
        ok: true,
        problem: refused === 0 ? null : `${host}:${port} refused ${refused} of ${to.length} recipients.`,
      };
    } finally {
      transport.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    return refusalOf(error, `${host}:${port}`);
  }
}

type SmtpError = Error & {
  readonly code?: string;
  /** What the system said, where nodemailer has put a word of its own in its place. */
  readonly originalCode?: string;
  readonly responseCode?: number;
  readonly command?: string;
};

/** Never the server's own words: they may repeat what was sent to it. */
function refusalOf(error: unknown, server: string): Sent {
  if (error instanceof Unreachable) return { ok: false, problem: error.message, again: false };
  const { code, originalCode, responseCode, command } = error as SmtpError;
  // 4xx: try again later; 5xx: do not (RFC 5321, section 4.2.1).
  const again = responseCode !== undefined && responseCode < 500;
  if (code === 'EAUTH')
    return { ok: false, problem: `${server} refused the user name or the password.`, again };
  if (code === 'ETLS' && originalCode === undefined)
    return { ok: false, problem: `${server} offers no TLS, and without it nothing is sent.`, again };
  if (responseCode !== undefined) {
    const step = command === undefined || !/^[A-Z ]{1,20}$/.test(command) ? '' : ` to ${command}`;
    return { ok: false, problem: `${server} answered ${responseCode}${step}.`, again };
  }
  const fault = faultOf(Object.assign(new Error('mail'), { code: originalCode ?? code }));
  return { ok: false, problem: `${fault.happened.replaceAll('HOST', server)}.`, again: fault.retry };
}
