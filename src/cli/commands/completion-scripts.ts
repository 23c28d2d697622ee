// What can be said, in the languages of three shells. Words of ours alone get in: nothing in them is run.

import type { Command } from 'commander';

import { type CommandWords, commandWords, type Flag } from './completion-words.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

export function completionScript(program: Command, shell: Shell): string {
  const commands = commandWords(program);
  switch (shell) {
    case 'bash':
      return bashScript(commands);
    case 'zsh':
      return zshScript(commands);
    default:
      return fishScript(commands);
  }
}

/** In quotes that nothing gets out of: in fish a backslash means itself but before a quote or another one. */
function quoteShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function quoteFish(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function wordsOf({ long, short }: Flag): readonly string[] {
  return short === null ? [long] : [short, long];
}

/** Patterns of a `case`; one that never matches where there is nothing. */
function patterns(words: readonly string[]): string {
  const unique = [...new Set(words)];
  return unique.length === 0 ? quoteShell('') : unique.map(quoteShell).join('|');
}

/** Flags whose next word is their value, of all commands: no flag has one here and none there. */
function valued(commands: readonly CommandWords[]): readonly string[] {
  return commands
    .flatMap(({ flags }) => flags)
    .filter(({ hasValue }) => hasValue)
    .flatMap(wordsOf);
}

function choosing(commands: readonly CommandWords[]): readonly Flag[] {
  const flags = commands.flatMap((each) => each.flags).filter(({ choices }) => choices.length > 0);
  return flags.filter(({ long }, index) => flags.findIndex((each) => each.long === long) === index);
}

/** Where the words so far lead to: the same walk in bash and zsh. */
function walk(commands: readonly CommandWords[]): string {
  const places = commands.map(({ at }) => at).filter((at) => at !== '');
  return `    if [[ -n $skip ]]; then skip=; continue; fi
    case $word in
      ${patterns(valued(commands))}) skip=$word; continue ;;
      -*) continue ;;
    esac
    case \${at:+$at }$word in
      ${patterns(places)}) at=\${at:+$at }$word ;;
    esac`;
}

function bashScript(commands: readonly CommandWords[]): string {
  const [root] = commands;
  const everywhere = (root?.flags ?? []).flatMap(wordsOf);
  const cases = commands.map(
    ({ at, words, flags }) =>
      `    ${quoteShell(at)}) words=${quoteShell(words.map(({ text }) => text).join(' '))}` +
      ` flags=${quoteShell([...new Set([...flags.flatMap(wordsOf), ...everywhere])].join(' '))} ;;`,
  );
  const values = choosing(commands).map(
    (flag) => `    ${patterns(wordsOf(flag))}) words=${quoteShell(flag.choices.join(' '))} ;;`,
  );
  return `# kvctl in bash: source <(kvctl completion bash)
_kvctl() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at= skip= words= flags= word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
${walk(commands)}
  done
  case $at in
${cases.join('\n')}
  esac
  if [[ -n $skip ]]; then
    words=
    case $skip in
${values.join('\n')}
    esac
  elif [[ $cur == -* ]]; then
    words=$flags
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _kvctl kvctl
`;
}

function zshScript(commands: readonly CommandWords[]): string {
  const [root] = commands;
  // A colon ends a word, and what follows describes it.
  const described = (text: string, description: string): string =>
    quoteShell(`${text.replaceAll(':', '\\:')}:${description}`);
  const ofFlag = (flag: Flag): readonly string[] =>
    wordsOf(flag).map((text) => described(text, flag.description));
  const cases = commands.map(
    ({ at, words, flags }) =>
      `    ${quoteShell(at)})\n      found=(${words.map(({ text, description }) => described(text, description)).join(' ')})\n` +
      `      flags=(${(at === '' ? [] : flags.flatMap(ofFlag)).join(' ')}) ;;`,
  );
  const values = choosing(commands).map(
    (flag) => `      ${patterns(wordsOf(flag))}) found=(${flag.choices.map(quoteShell).join(' ')}) ;;`,
  );
  return `#compdef kvctl
# kvctl in zsh: kvctl completion zsh > "\${fpath[1]}/_kvctl", or source <(kvctl completion zsh)
_kvctl() {
  local at= skip= word i
  local -a found flags everywhere
  everywhere=(${(root?.flags ?? []).flatMap(ofFlag).join(' ')})
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
${walk(commands)}
  done
  case $at in
${cases.join('\n')}
  esac
  if [[ -n $skip ]]; then
    found=()
    case $skip in
${values.join('\n')}
    esac
  elif [[ $words[CURRENT] == -* ]]; then
    found=($flags $everywhere)
  fi
  if (( $#found )); then _describe kvctl found; else _files; fi
}
if [[ $funcstack[1] == _kvctl ]]; then _kvctl "$@"; else compdef _kvctl kvctl; fi
`;
}

function fishScript(commands: readonly CommandWords[]): string {
  const places = commands.map(({ at }) => at).filter((at) => at !== '');
  const lines = commands.flatMap(({ at, words, flags }) => {
    const condition = at === '' ? '' : ` -n ${quoteFish(`test "$(__kvctl_at)" = ${quoteFish(at)}`)}`;
    const here = ` -n ${quoteFish(`test "$(__kvctl_at)" = ${quoteFish(at)}`)}`;
    return [
      ...words.map(
        ({ text, description }) =>
          `complete -c kvctl -f${here} -a ${quoteFish(text)} -d ${quoteFish(description)}`,
      ),
      ...flags.map((flag) => `complete -c kvctl${condition}${fishFlag(flag)}`),
    ];
  });
  return `# kvctl in fish: kvctl completion fish > ~/.config/fish/completions/kvctl.fish
function __kvctl_at
  set -l at
  set -l skip
  for word in (commandline -opc)[2..-1]
    if test -n "$skip"
      set skip
    else if contains -- $word ${[...new Set(valued(commands))].map(quoteFish).join(' ')}
      set skip yes
    else if not string match -q -- '-*' $word; and contains -- "$at $word" ${places.map((at) => quoteFish(` ${at}`)).join(' ')}
      set at "$at $word"
    end
  end
  string trim -- "$at"
end
${lines.join('\n')}
`;
}

function fishFlag({ long, short, description, hasValue, choices }: Flag): string {
  const value = choices.length > 0 ? ` -x -a ${quoteFish(choices.join(' '))}` : hasValue ? ' -r' : '';
  const letter = short === null ? '' : ` -s ${short.slice(1)}`;
  return ` -l ${long.slice(2)}${letter}${value} -d ${quoteFish(description)}`;
}
