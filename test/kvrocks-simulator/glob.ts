// Glob patterns of KEYS, SCAN and CONFIG GET.

/** A test for `*`, `?`, `[...]` and backslash escapes. */
export function glob(pattern: string): (text: string) => boolean {
  let source = '';
  for (let index = 0; index < pattern.length; index += 1) {
    const character = pattern.charAt(index);
    const close = pattern.indexOf(']', index + 1);
    if (character === '*') source += '[^]*';
    else if (character === '?') source += '[^]';
    else if (character === '[' && close !== -1) {
      source += `[${pattern.slice(index + 1, close).replaceAll('\\', '\\\\')}]`;
      index = close;
    } else if (character === '\\' && index + 1 < pattern.length) {
      index += 1;
      source += literal(pattern.charAt(index));
    } else source += literal(character);
  }
  const expression = compile(`^${source}$`);
  return (text) => expression?.test(text) === true;
}

function literal(character: string): string {
  return character.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}

/** Null for a class that is none, such as `[z-a]`: it matches nothing. */
function compile(source: string): RegExp | null {
  try {
    return new RegExp(source);
  } catch {
    return null;
  }
}
