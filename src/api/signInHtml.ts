/** What the pages of the sign-in look like: rendered here, without scripts, and without anything from elsewhere. */
import { hash } from 'node:crypto';
import { minute } from '../domain/clock.ts';
import { html, type Markup } from '../domain/html.ts';
import type { Principal } from '../domain/principal.ts';
import { type ProblemCode, problemCodes } from '../domain/problem.ts';
import type { Session, SignInProvider } from '../domain/signIn.ts';

const style = `
:root { color-scheme: light dark; --line: light-dark(#d8dee4, #3d444d); --soft: light-dark(#59636e, #9198a1); --fill: light-dark(#f6f8fa, #151b23); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 42rem; margin: 0 auto; padding: 2rem 1rem 6rem; }
input { font: inherit; padding: .4rem .6rem; width: 100%; box-sizing: border-box; margin: .25rem 0 1rem; }
button { font: inherit; padding: .4rem 1rem; margin: .25rem .5rem .25rem 0; cursor: pointer; }
form.inline { display: inline; }
code, pre { font-family: ui-monospace, monospace; font-size: .9375rem; }
pre { background: var(--fill); border: 1px solid var(--line); border-radius: 6px; padding: .75rem; overflow: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; } th, td { text-align: left; vertical-align: top; border-top: 1px solid var(--line); padding: .25rem .75rem .25rem 0; }
.soft { color: var(--soft); }
`;

export const contentSecurityPolicy = `default-src 'none'; style-src 'sha256-${hash('sha256', style, 'base64')}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`;

function page(title: string, body: Markup, head: Markup | null = null): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title} · Rollcall</title>${head}${styleElement}</head>
<body><main><h1>${title}</h1>
${body}
</main></body></html>`.text;
}

/** Not by the template: what is in it must stay letter by letter what the policy has the hash of. */
const styleElement = Object.assign(html``, { text: `<style>${style}</style>` });

type Offered = Pick<SignInProvider, 'id' | 'name'>;

/** A button for each provider. */
function buttons(providers: readonly Offered[], more: Readonly<Record<string, string | null>>): Markup {
  const hidden = Object.entries(more).flatMap(([name, value]) =>
    value === null ? [] : [html`<input type="hidden" name="${name}" value="${value}">`],
  );
  return html`${providers.map(
    ({ id, name }) =>
      html`<form method="post" action="/sign-in">${hidden}<input type="hidden" name="provider" value="${id}"><button>Sign in with ${name}</button></form>`,
  )}`;
}

export function signInPage(
  providers: readonly Offered[],
  { returnTo, setUpIsOpen }: { readonly returnTo: string | null; readonly setUpIsOpen: boolean },
): string {
  const none = setUpIsOpen
    ? html`<p>This Rollcall has no administrator yet. Whoever runs it has a set-up link, or prints one with <code>rollcall set-up-link</code>.</p>`
    : html`<p>There is no way to sign in here. Open the address that your administrator gave you: it names your tenant, as in <code>/sign-in?tenant=…</code>.</p>`;
  return page(
    'Sign in',
    html`${providers.length === 0 ? none : buttons(providers, { returnTo })}
<p class="soft"><a href="/sign-in/recovery">Use a recovery code</a></p>`,
  );
}

/** A form's answer may not lead to another site (`form-action`): this page does. */
export function onwardPage(location: string): string {
  return page(
    'On the way to the provider',
    html`<p><a href="${location}">Go on to the provider</a> if nothing happens.</p>`,
    html`<meta http-equiv="refresh" content="0;url=${location}">`,
  );
}

export function invitationPage(
  { name, role }: Principal,
  tenantName: string,
  { providers, token }: { readonly providers: readonly Offered[]; readonly token: string },
): string {
  const ways =
    providers.length > 0
      ? html`<p>Whoever signs in now is <b>${name}</b> from then on. Do it only if you expected this.</p>${buttons(providers, { invitation: token })}`
      : html`<p>Nobody can sign in to ${tenantName} yet. An administrator has to add a provider: <code>rollcall sign-in add</code>. This link stays good meanwhile.</p>`;
  return page(
    'An invitation',
    html`<p>You are invited to be <b>${name}</b>, with the role ${role}, of <b>${tenantName}</b>.</p>${ways}`,
  );
}

export function recoveryPage(): string {
  return page(
    'Recovery code',
    html`<p>For administrators of this install, when no provider works. Each code is good once.</p>
<form method="post" action="/sign-in/recovery"><label>Code<input name="code" autocomplete="off" autocapitalize="characters" spellcheck="false" required></label><button>Sign in</button></form>`,
  );
}

export function setUpPage({ token, isGood }: { readonly token: string; readonly isGood: boolean }): string {
  if (token !== '' && !isGood) return setUpOverPage();
  const field =
    token === ''
      ? html`<label>Set-up token<input name="token" autocomplete="off" spellcheck="false" required></label>`
      : html`<input type="hidden" name="token" value="${token}">`;
  return page(
    'Set up Rollcall',
    html`<p>This makes you the first administrator, of all tenants, and uses the link up.</p>
<form method="post" action="/set-up">${field}<label>Your name<input name="name" maxlength="100" autocomplete="name" required></label><button>Set up</button></form>`,
  );
}

export function setUpOverPage(): string {
  return page(
    'Set up Rollcall',
    html`<p>This set-up link opens nothing: it was used, has expired, or was replaced by another.</p>
<p>Whoever runs this Rollcall can print a fresh one with <code>rollcall set-up-link</code>, unless it has been set up.</p>
<p><a href="/sign-in">Sign in</a></p>`,
  );
}

export function codesPage({ name }: Principal, codes: readonly string[]): string {
  return page(
    'You are the first administrator',
    html`<p>You are signed in as <b>${name}</b>. These recovery codes are shown this once. Keep them where you keep passwords: until you sign in with a provider, they are your only way back in, each of them once.</p>
<pre>${codes.join('\n')}</pre>
<p><a href="/account">Go on</a></p>`,
  );
}

export type Account = {
  readonly principal: string;
  readonly role: string;
  readonly tenantName: string;
  readonly sessions: readonly Session[];
  readonly current: Session;
  readonly csrfToken: string;
};

const methods = {
  'set-up': 'the set-up link',
  recovery: 'a recovery code',
  'openid-connect': 'a provider',
} as const satisfies Record<Session['method'], string>;

export function accountPage({ principal, role, tenantName, sessions, current, csrfToken }: Account): string {
  const csrf = html`<input type="hidden" name="csrf" value="${csrfToken}">`;
  const rows = sessions.map(({ id, method, userAgent, createdAt, lastUsedAt }) => {
    const end = html`<form class="inline" method="post" action="/account/sessions/end">${csrf}<input type="hidden" name="session" value="${id}"><button>End</button></form>`;
    return html`<tr><td>${minute(createdAt)}<br><span class="soft">by ${methods[method]}</span></td><td>${minute(lastUsedAt)}</td><td>${userAgent ?? ''}</td><td>${id === current.id ? 'this one' : end}</td></tr>`;
  });
  return page(
    principal,
    html`<p>You are signed in as <b>${principal}</b>, with the role ${role}, of <b>${tenantName}</b>, until ${minute(current.expiresAt)} at the latest.</p>
<form class="inline" method="post" action="/account/sign-out">${csrf}<button>Sign out</button></form>
<form class="inline" method="post" action="/account/sign-out-everywhere">${csrf}<button>Sign out everywhere</button></form>
<h2>Your sessions</h2>
<table><thead><tr><th>since</th><th>last used</th><th>browser</th><th></th></tr></thead><tbody>${rows}</tbody></table>
<p><a href="/docs">The API</a></p>`,
  );
}

const mender = {
  caller: 'you',
  administrator: 'an administrator',
  operator: 'whoever runs this Rollcall',
} as const satisfies Record<(typeof problemCodes)[ProblemCode], string>;

export function failurePage(
  problem: { readonly code: ProblemCode; readonly message: string; readonly remedy: string } | null,
  request: string,
): string {
  if (problem === null)
    return page(
      'Something went wrong',
      html`<p>Rollcall failed. Its log has the reason under the request id <code>${request}</code>.</p>`,
    );
  return page(
    'That did not work',
    html`<p>${problem.message}</p><p>${problem.remedy}</p>
<p class="soft">This can be mended by ${mender[problemCodes[problem.code]]}. Code: ${problem.code}. Request: ${request}.</p>
<p><a href="/sign-in">Sign in</a></p>`,
  );
}
