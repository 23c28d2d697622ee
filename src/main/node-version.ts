// A Node that is too old is told so, before anything is loaded that it cannot read. Imports nothing.

/** Major and minor version, as `engines` in package.json has it. */
const OLDEST = [22, 21] as const;

/** Ends the process with one line and exit code 1 where its Node is too old. `program`: who says so. */
export function refuseOldNode(program: string): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [needed, neededMinor] = OLDEST;
  if (major > needed || (major === needed && minor >= neededMinor)) return;
  process.stderr.write(
    `${program}: this is Node ${process.versions.node}, and at least ${OLDEST.join('.')} is needed; Node 24 is what it is tested with\n`,
  );
  process.exit(1);
}
