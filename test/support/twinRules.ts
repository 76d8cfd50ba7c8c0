/** The slow, obvious twin of a mapping's rules: who they are about, which roles they give, and where they put people. */
import type { DirectoryUser } from '../../src/domain/directory.ts';
import { compileTemplate, valuesOf } from '../../src/domain/place.ts';
import type { Rule } from '../../src/domain/rules.ts';

export type TwinPlace = { readonly path: string | null; readonly make: boolean };

/**
 * `named`: the groups that the user is in, by id and name. `doubtful`: those that they may be in although it is not known.
 * `place` undefined: they stay where they are; unknown: so does whoever is somewhere.
 */
export function ruled(
  rules: readonly Rule[],
  user: DirectoryUser,
  named: readonly string[],
  doubtful: readonly string[],
): { readonly roles: readonly string[]; readonly place: TwinPlace | 'unknown' | undefined } {
  const holds = ({ when: { attribute, orgUnit } }: Rule) => {
    const values = attribute === undefined ? [] : valuesOf(user, attribute.name);
    const fits = values.some((value) =>
      attribute?.begins === undefined
        ? value === attribute?.equals || attribute?.in?.includes(value)
        : value.startsWith(attribute.begins),
    );
    const unit = orgUnit?.below === true ? [orgUnit.path, `${orgUnit.path}/`] : [orgUnit?.path];
    const within =
      user.orgUnit === unit[0] || (unit.length > 1 && user.orgUnit?.startsWith(unit[1] ?? '') === true);
    return (attribute === undefined || fits) && (orgUnit === undefined || within);
  };
  const about = rules
    .filter(holds)
    .map((rule) => {
      const { group } = rule.when;
      const isIn = group === undefined || named.includes(group);
      return { rule, isIn, mayBe: isIn || doubtful.includes(group) };
    })
    .filter(({ mayBe }) => mayBe);
  const end = about.findIndex(({ rule }) => rule.stop);
  const looked = end === -1 ? about : about.slice(0, end + 1);
  const placing = looked.map(({ rule, isIn }) => ({
    isIn,
    path: rule.tenant === null ? undefined : compileTemplate(rule.tenant)(user),
    make: rule.create,
    stop: rule.stop,
  }));
  const first = placing.find(({ isIn, path, stop }) => path !== undefined || (!isIn && stop));
  const places = rules.some(({ tenant }) => tenant !== null);
  const home = { path: null, make: false };
  const decided = first === undefined ? home : { path: first.path ?? null, make: first.make };
  return {
    roles: looked.filter(({ isIn }) => isIn).flatMap(({ rule }) => rule.roles),
    place: !places ? undefined : first?.isIn === false ? 'unknown' : decided,
  };
}
