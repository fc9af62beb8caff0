//! Translates: parse, call, encode. The only room that knows a status code.
