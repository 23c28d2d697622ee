// The bill of materials of a release: what is installed with the program, and nothing of what only builds and tests it.

/** What npm writes in the form of CycloneDX 1.5, as far as it is looked at here. */
export interface Sbom {
  readonly bomFormat: string;
  readonly metadata: { readonly component: { readonly 'bom-ref': string; readonly name: string } };
  readonly components: readonly { readonly 'bom-ref': string; readonly purl: string }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** package-lock.json, as far as it is looked at here. */
export interface Lock {
  readonly name: string;
  readonly version: string;
  readonly packages: Readonly<Record<string, { readonly version: string; readonly dev?: true }>>;
}

/**
 * Leaves out what is for development only. `npm sbom --omit dev` (npm 11.19) leaves out too much: also packages that the program needs
 * where a tool happens to need them as well. And it calls the program by the folder that it is in.
 */
export function productionSbom(full: Sbom, lock: Lock): Sbom {
  const wanted = productionPackages(lock);
  const own = full.metadata.component;
  const components = full.components.filter(({ purl }) => wanted.has(packageOf(purl)));
  const refs = new Set([own['bom-ref'], ...components.map((one) => one['bom-ref'])]);
  return {
    ...full,
    metadata: { ...full.metadata, component: { ...own, name: lock.name } },
    components,
    dependencies: full.dependencies
      .filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => refs.has(one)) })),
  };
}

/** Why `sbom` is not that of the release that is locked: empty when it is. */
export function sbomProblems(sbom: Sbom, lock: Lock): readonly string[] {
  const own = `${lock.name}@${lock.version}`;
  const wanted = productionPackages(lock);
  const told = new Set(sbom.components.map(({ purl }) => packageOf(purl)));
  const missing = [...wanted].filter((one) => !told.has(one));
  const stray = [...told].filter((one) => !wanted.has(one));
  return [
    ...(sbom.bomFormat === 'CycloneDX' ? [] : ['the SBOM is not of CycloneDX']),
    ...(sbom.metadata.component['bom-ref'] === own ? [] : [`the SBOM is not of ${own}`]),
    ...(missing.length === 0 ? [] : [`the SBOM lacks ${missing.join(', ')}`]),
    ...(stray.length === 0 ? [] : [`the SBOM has what is not installed: ${stray.join(', ')}`]),
  ];
}

/** `name@version` of all that `npm ci --omit=dev` may install, on whatever platform. */
function productionPackages({ packages }: Lock): ReadonlySet<string> {
  const folder = 'node_modules/';
  return new Set(
    Object.entries(packages)
      .filter(([path, { dev }]) => path !== '' && dev !== true)
      .map(([path, { version }]) => `${path.slice(path.lastIndexOf(folder) + folder.length)}@${version}`),
  );
}

function packageOf(purl: string): string {
  return decodeURIComponent(purl).replace(/^pkg:npm\//, '');
}
