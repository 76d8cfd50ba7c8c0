/** A browser without scripts: keeps cookies by host, follows redirects and refreshes, and fills in forms. */
import { type Dispatcher, request as send } from 'undici';

export type Page = {
  readonly url: URL;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
};

type Sent = {
  readonly method?: 'GET' | 'POST' | 'DELETE' | 'PATCH';
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export class Browser {
  /** `host name` -> value */
  readonly cookies = new Map<string, string>();
  readonly #dispatcher: Dispatcher | null;

  constructor(dispatcher: Dispatcher | null = null) {
    this.#dispatcher = dispatcher;
  }

  /** One request: nothing is followed. */
  async send(url: URL, { method = 'GET', body, headers = {} }: Sent = {}): Promise<Page> {
    const cookies = [...this.cookies].flatMap(([key, value]) => {
      const [host, name] = key.split(' ');
      return host === url.hostname ? [`${name}=${value}`] : [];
    });
    const answer = await send(url, {
      method,
      headers: {
        'user-agent': 'Test/1',
        ...(cookies.length > 0 ? { cookie: cookies.join('; ') } : {}),
        ...headers,
      },
      body: body ?? null,
      ...(this.#dispatcher !== null && url.protocol === 'https:' ? { dispatcher: this.#dispatcher } : {}),
    });
    for (const line of [answer.headers['set-cookie'] ?? []].flat()) this.#keep(url.hostname, line);
    return { url, status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  }

  #keep(host: string, line: string): void {
    const [pair = '', ...attributes] = line.split(';');
    const name = pair.slice(0, pair.indexOf('='));
    const value = pair.slice(pair.indexOf('=') + 1);
    const over = attributes.some((one) => /^\s*(max-age=0|expires=Thu, 01 Jan 1970.*)$/i.test(one));
    if (over || value === '') this.cookies.delete(`${host} ${name}`);
    else this.cookies.set(`${host} ${name}`, value);
  }

  async open(address: string | URL, sent: Sent = {}): Promise<Page> {
    let page = await this.send(new URL(address), sent);
    for (let step = 0; step < 15; step++) {
      const location = page.headers['location'];
      const refresh = /<meta http-equiv="refresh" content="0;url=([^"]*)"/.exec(page.text)?.[1];
      const next = typeof location === 'string' ? location : refresh?.replaceAll('&amp;', '&');
      if (next === undefined) return page;
      page = await this.send(new URL(next, page.url));
    }
    throw new Error(`it leads nowhere: ${page.url}`);
  }

  /** Sends the form whose HTML matches, with its hidden fields, as its button does. */
  async submit(page: Page, which: RegExp, fields: Readonly<Record<string, string>> = {}): Promise<Page> {
    const forms = [...page.text.matchAll(/<form([^>]*)>([\s\S]*?)<\/form>/g)];
    const form = forms.find(([all]) => which.test(all));
    if (form === undefined) throw new Error(`no form ${which} on ${page.url}: ${page.text}`);
    const [, head = '', inner = ''] = form;
    const action = /action="([^"]*)"/.exec(head)?.[1]?.replaceAll('&amp;', '&') ?? page.url.href;
    const hidden = [...inner.matchAll(/<input[^>]*>/g)].flatMap(([input]): [string, string][] => {
      const name = /name="([^"]*)"/.exec(input)?.[1];
      const value = /value="([^"]*)"/.exec(input)?.[1];
      return name === undefined || value === undefined ? [] : [[name, value]];
    });
    const url = new URL(action, page.url);
    return await this.open(url, {
      method: 'POST',
      body: new URLSearchParams({ ...Object.fromEntries(hidden), ...fields }).toString(),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: page.url.origin,
        'sec-fetch-site': url.origin === page.url.origin ? 'same-origin' : 'cross-site',
      },
    });
  }
}
