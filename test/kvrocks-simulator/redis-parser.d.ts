// Types of the part of the `redis-parser` package that the simulator uses; the package ships none.

declare module 'redis-parser' {
  interface ParserOptions {
    /** Called with each complete value: a Buffer, a number, null, or an array of these. */
    returnReply(reply: unknown): void;
    /** Called with each error reply. */
    returnError(error: Error): void;
    /** Called when the stream is not RESP; the parser must not be used afterwards. */
    returnFatalError?(error: Error): void;
    /** Strings as Buffers, so that keys and values may be binary. */
    returnBuffers?: boolean;
    stringNumbers?: boolean;
  }

  class RedisParser {
    constructor(options: ParserOptions);
    execute(chunk: Buffer): void;
  }

  export default RedisParser;
}
