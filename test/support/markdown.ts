// Pages as their tests read them: code blocks, code in the text, headings and links.

/** A block between two fences. */
export interface CodeBlock {
  /** What stands behind the opening fence; `''` for nothing. */
  readonly language: string;
  /** Of its first line, counted from 1. */
  readonly line: number;
  readonly lines: readonly string[];
}

export interface Page {
  readonly blocks: readonly CodeBlock[];
  /** Everything outside the blocks; a line of a block is an empty one here. */
  readonly prose: readonly string[];
}

export interface Link {
  readonly target: string;
  readonly line: number;
}

export function readPage(text: string): Page {
  const blocks: CodeBlock[] = [];
  const prose: string[] = [];
  let open: { language: string; line: number; lines: string[] } | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    const [, language] = /^ *```(\S*) *$/.exec(line) ?? [];
    prose.push(open === null && language === undefined ? line : '');
    if (language !== undefined && open === null) open = { language, line: index + 2, lines: [] };
    else if (language !== undefined && open !== null) {
      blocks.push(open);
      open = null;
    } else open?.lines.push(line);
  }
  if (open !== null) throw new Error(`the block at line ${open.line} has no end`);
  return { blocks, prose };
}

/** What stands between backticks, each on one line. */
export function inlineCodes({ prose }: Page): readonly string[] {
  return [...prose.join('\n').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code.replaceAll(/\s+/g, ' '));
}

export function linksOf({ prose }: Page): readonly Link[] {
  return prose.flatMap((line, index) =>
    [...line.replaceAll(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => ({
      target,
      line: index + 1,
    })),
  );
}

export function headingsOf({ prose }: Page): readonly string[] {
  return prose.flatMap((line) => /^#{1,6} +(.*\S) *$/.exec(line)?.slice(1) ?? []);
}

/** What GitHub calls the places of a page; headings that are alike are counted. */
export function anchorsOf(page: Page): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const heading of headingsOf(page)) {
    const name = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = name;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${name}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}
