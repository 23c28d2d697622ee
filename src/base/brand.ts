// Nominal types: a value that went through one parse function carries the proof in its type.

declare const brand: unique symbol;

/** A `Base` that only the parse function of `Name` can make. Exists for the compiler only. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };
