/** What a use case says of a field is told of the option that the field was typed as. */
import type { Command, Option } from 'commander';
import { invalidInput } from '../domain/input.ts';
import { Problem } from '../domain/problem.ts';

/** Of a command that was typed: the same error, but for fields that one of its given options stands for. */
export function asOptions(error: unknown, command: Command | null): unknown {
  if (command === null || !(error instanceof Problem) || error.fields.length === 0) return error;
  const fields = error.fields.map(({ path, message }) => ({ path: asOption(path, command), message }));
  if (fields.every(({ path }, at) => path === error.fields[at]?.path)) return error;
  const plain = invalidInput(error.fields);
  if (plain.code !== error.code || plain.message !== error.message) return error; // it says where in other words
  return invalidInput(fields, plain.remedy === error.remedy ? undefined : error.remedy);
}

/** `destination.to.0` is `--to`, or `--to (value 1)` beside others; `policy.guards.windowHours` is `--policy, guards.windowHours`; what was not typed stays as it is. */
function asOption(path: string, command: Command): string {
  const steps = path.split('.');
  for (let at = steps.length - 1; at >= 0; at--) {
    const option = optionOf(steps[at] ?? '', command);
    if (option === undefined) continue;
    const within = steps.slice(at + 1).join('.');
    if (within === '') return option.long ?? path;
    if (!/^\d+$/.test(within)) return `${option.long}, ${within}`;
    const given: unknown = command.getOptionValue(option.attributeName());
    const isOne = !Array.isArray(given) || given.length === 1;
    return isOne ? (option.long ?? path) : `${option.long} (value ${Number(within) + 1})`;
  }
  return path;
}

function optionOf(step: string, command: Command): Option | undefined {
  const names = [step, `${step}File`, step.replace(/s$/, '')];
  return command.options.find(
    (option) =>
      names.includes(option.attributeName()) &&
      command.getOptionValueSource(option.attributeName()) === 'cli',
  );
}
