/** Made by `style/build.mjs`: where the browser half lies. */
declare module "tidewatch:islands" {
  export const glue: string;
  export const wasm: string;
}
