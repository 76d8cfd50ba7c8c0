/** The reference at /docs: the OpenAPI document as one plain page, rendered once, without scripts and without anything from elsewhere. */
import { hash } from 'node:crypto';
import { escaped } from '../domain/html.ts';
import { type ProblemCode, problemCodes } from '../domain/problem.ts';
import type { Document, Operation } from './openapi.ts';
import { meaningOf, statusOf } from './problems.ts';

type Schema = { readonly [key: string]: unknown };

const style = `
:root { color-scheme: light dark; --line: light-dark(#d8dee4, #3d444d); --soft: light-dark(#59636e, #9198a1); --fill: light-dark(#f6f8fa, #151b23); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; display: grid; grid-template-columns: 17rem minmax(0, 60rem); }
nav { border-right: 1px solid var(--line); padding: 1rem; height: 100vh; box-sizing: border-box; overflow: auto; position: sticky; top: 0; font-size: .875rem; }
nav ul { list-style: none; margin: 0 0 .75rem; padding: 0; } nav strong { text-transform: capitalize; }
main { padding: 1rem 2rem 6rem; }
h2 { text-transform: capitalize; margin-top: 3rem; } section { border-top: 1px solid var(--line); padding: .5rem 0 1rem; }
h3 code { font-weight: 400; font-size: .9375rem; } h4 { margin: .75rem 0 .25rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .875rem; }
pre { background: var(--fill); border: 1px solid var(--line); border-radius: 6px; padding: .75rem; overflow: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; } th, td { text-align: left; vertical-align: top; border-top: 1px solid var(--line); padding: .25rem .75rem .25rem 0; }
.soft { color: var(--soft); } :target { background: var(--fill); }
@media (max-width: 50rem) { body { display: block; } nav { height: auto; position: static; border: 0; } }
`;

export function referencePage(document: Document): { html: string; contentSecurityPolicy: string } {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const byTag = Object.entries(Object.groupBy(operations, ({ operation }) => operation.tags[0] ?? ''));
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Rollcall API</title><style>${style}</style></head>
<body><nav aria-label="Routes">${byTag.map(([tag, of]) => navigationOf(tag, of ?? [])).join('')}
<strong>More</strong><ul><li><a href="#schemas">Schemas</a></li><li><a href="#errors">Errors</a></li><li><a href="/openapi.json">openapi.json</a></li></ul></nav>
<main><h1>Rollcall API <small class="soft">${escaped(document.info.version)}</small></h1>
${document.info.description
  .split('\n\n')
  .map((text) => `<p>${escaped(text)}</p>`)
  .join('')}
${byTag.map(([tag, of]) => `<h2>${escaped(tag)}</h2>${(of ?? []).map(operationHtml).join('')}`).join('')}
<h2 id="schemas">Schemas</h2>${Object.entries(document.components.schemas).map(schemaHtml).join('')}
<h2 id="errors">Errors</h2><p>The answer’s <code>remedy</code> says what helps in the case at hand.</p>${errorsHtml()}
</main></body></html>`;
  return {
    html,
    contentSecurityPolicy: `default-src 'none'; style-src 'sha256-${hash('sha256', style, 'base64')}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`,
  };
}

type Listed = { readonly path: string; readonly method: string; readonly operation: Operation };

function navigationOf(tag: string, operations: readonly Listed[]): string {
  const links = operations.map(
    ({ operation }) => `<li><a href="#${operation.operationId}">${escaped(operation.summary)}</a></li>`,
  );
  return `<strong>${escaped(tag)}</strong><ul>${links.join('')}</ul>`;
}

function operationHtml({ path, method, operation }: Listed): string {
  const [[type, { schema: body } = { schema: undefined }] = ['']] = Object.entries(
    operation.requestBody?.content ?? {},
  );
  const needs =
    operation['x-permissions']?.join(', ') ??
    (operation.security === undefined ? 'any key or session' : 'no key');
  return `<section id="${operation.operationId}"><h3>${escaped(operation.summary)}<br><code><b>${method}</b> ${escaped(path)}</code></h3>
<p class="soft">Operation <code>${operation.operationId}</code>. Needs ${escaped(needs)}.</p>${operation.description === undefined ? '' : `<p>${escaped(operation.description)}</p>`}
${parametersHtml(operation)}${body === undefined ? '' : `<h4>${type === 'application/json' ? 'Body' : `Body: ${escaped(type)}`}</h4>${pre(body)}`}
${Object.entries(operation.responses).map(responseHtml).join('')}</section>`;
}

function parametersHtml({ parameters = [] }: Operation): string {
  if (parameters.length === 0) return '';
  const rows = parameters.map(
    ({ name, in: place, schema, description = '' }) =>
      `<tr><td><code>${escaped(name)}</code></td><td class="soft">${place}</td><td><code>${escaped(typeText(schema))}</code></td><td>${escaped(remarksOf({ ...schema, description }))}</td></tr>`,
  );
  return `<h4>Parameters</h4><table><tbody>${rows.join('')}</tbody></table>`;
}

function responseHtml([status, response]: [string, Operation['responses'][string]]): string {
  if (status === 'default') return '';
  const schema = response.content?.['application/json']?.schema;
  return `<h4>Answer ${status}</h4><p>${escaped(response.description)}</p>${schema === undefined ? '' : pre(schema)}`;
}

function schemaHtml([name, schema]: [string, Schema]): string {
  return `<section id="schemas/${escaped(name)}"><h3>${escaped(name)}</h3>${pre(schema)}</section>`;
}

function errorsHtml(): string {
  const rows = Object.entries(problemCodes).map(
    ([code, mender]) =>
      `<tr id="errors/${code}"><td><code>${code}</code></td><td>${statusOf[code as ProblemCode]}</td><td>${escaped(meaningOf[code as ProblemCode])}</td><td>${mender}</td></tr>`,
  );
  return `<table><thead><tr><th>code</th><th>status</th><th>meaning</th><th>who can mend it</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function pre(schema: Schema): string {
  const linked = escaped(typeText(schema)).replaceAll(
    /→ (\w+)/g,
    (_match, name: string) => `<a href="#schemas/${name}">${name}</a>`,
  );
  return `<pre>${linked}</pre>`;
}

/** A schema the way a person would write it down; `→ Name` stands for a named one. */
function typeText(schema: Schema, indent = ''): string {
  const {
    $ref,
    enum: values,
    const: constant,
    anyOf,
    oneOf,
    allOf,
    type,
    format,
    items,
    properties,
  } = schema;
  if (typeof $ref === 'string') return `→ ${$ref.split('/').at(-1)}`;
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(' | ');
  if (constant !== undefined) return JSON.stringify(constant);
  const variants = (anyOf ?? oneOf ?? allOf) as readonly Schema[] | undefined;
  if (variants !== undefined) return variants.map((variant) => typeText(variant, indent)).join(' | ');
  if (type === 'array') return `[${typeText((items ?? {}) as Schema, indent)}]`;
  if (properties !== undefined) return objectText(schema, indent);
  if (type === 'object')
    return `{ …: ${typeText((schema['additionalProperties'] || {}) as Schema, indent)} }`;
  if (Array.isArray(type)) return type.join(' | ');
  return typeof format === 'string' ? format : typeof type === 'string' ? type : 'anything';
}

function objectText(schema: Schema, indent: string): string {
  const required = new Set((schema['required'] ?? []) as readonly string[]);
  const lines = Object.entries(schema['properties'] as Readonly<Record<string, Schema>>).map(
    ([name, member]) => {
      const remarks = remarksOf(member);
      const remark = remarks === '' ? '' : `   // ${remarks}`;
      return `${indent}  ${name}${required.has(name) ? '' : '?'}: ${typeText(member, `${indent}  `)}${remark}`;
    },
  );
  return `{\n${lines.join('\n')}\n${indent}}`;
}

/** What is meant, which numbers may stand there, and what holds where nothing is said. */
function remarksOf({ description, minimum, maximum, default: usual }: Schema): string {
  const range = [
    minimum === undefined ? '' : `at least ${minimum}`,
    maximum === undefined ? '' : `at most ${maximum}`,
  ];
  const numbers = range.filter((part) => part !== '').join(', ');
  const plain = typeof usual === 'number' || typeof usual === 'string' || typeof usual === 'boolean';
  const otherwise = plain ? `${JSON.stringify(usual)} unless given` : '';
  const said = typeof description === 'string' ? description.replace(/[.;]$/, '') : '';
  return [said, numbers, otherwise].filter((part) => part !== '').join('; ');
}
