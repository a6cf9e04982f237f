"""The programs that do on a graphics card what :mod:`livedream.stage.contours` does: make contours steep."""

from __future__ import annotations

from livedream.stage.shaders import CUBIC, HEAD

_SLOPE = """
vec2 slope(ivec2 here) {  // by Sobel
    vec2 sum = vec2(0.0);
    for (int y = -1; y <= 1; y++)
        for (int x = -1; x <= 1; x++)
            sum += value(here + ivec2(x, y)) * vec2(x * (2 - abs(y)), y * (2 - abs(x)));
    return sum / 8.0;
}
"""

#: How much of a contour each pixel of a layer is, 0 to 1: see :mod:`livedream.stage.contours`.
CONTOUR = (
    HEAD
    + """
uniform sampler2D layer;
uniform float levels;
out vec4 contour;

float value(ivec2 p) {
    return dot(texelFetch(layer, inside(p, textureSize(layer, 0)), 0).rgb, LUMA);
}
"""
    + _SLOPE
    + """
void main() {
    float steep = length(slope(ivec2(gl_FragCoord.xy)));
    contour = vec4(steep / (steep + levels));
}
"""
)

#: A contour's Gaussian of five by five pixels.
SMOOTH = (
    HEAD
    + """
uniform sampler2D contour;
uniform float weights[3];
out vec4 smoothed;

void main() {
    smoothed = vec4(0.0);
    for (int y = -2; y <= 2; y++)
        for (int x = -2; x <= 2; x++) {
            ivec2 p = inside(ivec2(gl_FragCoord.xy) + ivec2(x, y), textureSize(contour, 0));
            smoothed += weights[abs(x)] * weights[abs(y)] * texelFetch(contour, p, 0);
        }
}
"""
)

#: How far from here each pixel is taken from.
AWAY = (
    HEAD
    + """
uniform sampler2D contour;
uniform float reach, most;
out vec4 away;

float value(ivec2 p) {
    return texelFetch(contour, inside(p, textureSize(contour, 0)), 0).r;
}
"""
    + _SLOPE
    + """
void main() {
    away = vec4(clamp(-reach * slope(ivec2(gl_FragCoord.xy)), -most, most), 0.0, 0.0);
}
"""
)

_ROUNDED = """
uniform sampler2D range;

vec4 rounded(vec4 layer) {  // to the steps of uint8 that the processor takes, within the layer's range
    vec2 limits = texelFetch(range, ivec2(0), 0).rg;
    float size = max(1.0, (limits.y - limits.x) / 255.0);
    layer.rgb = limits.x + size * clamp(round((layer.rgb - limits.x) / size), 0.0, 255.0);
    return vec4(layer.rgb, clamp(round(255.0 * layer.a), 0.0, 255.0) / 255.0);
}
"""

#: The layer in the steps of uint8.
STEPS = (
    """
#version 330
uniform sampler2D layer;
out vec4 stepped;
"""
    + _ROUNDED
    + """
void main() {
    stepped = rounded(texelFetch(layer, ivec2(gl_FragCoord.xy), 0));
}
"""
)

#: The layer enlarged by a whole number.
ENLARGE = (
    """
#version 330
uniform sampler2D layer;
in vec2 at;
out vec4 large;
"""
    + CUBIC
    + _ROUNDED
    + """
void main() {
    large = rounded(enlarged(layer, at));
}
"""
)

#: The enlarged layer, each pixel from its place.
BEND = (
    """
#version 330
uniform sampler2D layer, away;
uniform float scale;
out vec4 bent;
"""
    + _ROUNDED
    + """
vec4 linear(sampler2D image, vec2 p) {
    ivec2 last = textureSize(image, 0) - 1;
    vec2 corner = floor(p), part = p - corner;
    ivec2 i = clamp(ivec2(corner), ivec2(0), last), j = clamp(ivec2(corner) + 1, ivec2(0), last);
    return mix(mix(texelFetch(image, i, 0), texelFetch(image, ivec2(j.x, i.y), 0), part.x),
               mix(texelFetch(image, ivec2(i.x, j.y), 0), texelFetch(image, j, 0), part.x), part.y);
}

void main() {
    vec2 here = clamp(gl_FragCoord.xy / scale - 0.5, vec2(0.0), vec2(textureSize(away, 0) - 1));
    bent = rounded(linear(layer, scale * (here + linear(away, here).xy) + (scale - 1.0) / 2.0));
}
"""
)
