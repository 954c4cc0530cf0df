"""Picture files as tensors: layouts, scaling, transparency, orientation, ink; and files that attack."""

import base64
import io
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw
from wire_cases import refusal

from modelport.core.errors import TooLargeError
from modelport.core.meaning import Image
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.pictures import LARGEST, picture_tensor
from modelport.wire.plain import inputs_from_body
from modelport.wire.records import tensors_from_document

RED = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]]], np.uint8)


def file(picture, form="PNG", **options):
    out = io.BytesIO()
    (Pillow.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(out, form, **options)
    return out.getvalue()


def spec(meaning, datatype="FP32"):
    height, width, channels = meaning.height, meaning.width, meaning.channels
    shape = {
        "HW": (height, width),
        "HWC": (height, width, channels),
        "CHW": (channels, height, width),
        "flat": (height * width * channels,),
    }[meaning.layout]
    return TensorSpec("image", datatype, (-1, *shape), meaning)


def read(data, meaning, datatype="FP32"):
    made = spec(meaning, datatype)
    array = picture_tensor(data, meaning, made)
    assert made.fits(array.shape)
    assert array.flags.c_contiguous
    return array[0]


def test_layouts():
    assert read(file(RED), Image(2, 2, 3, "HWC")).tolist() == RED.tolist()
    assert read(file(RED), Image(2, 2, 3, "CHW")).tolist() == RED.transpose(2, 0, 1).tolist()
    assert read(file(RED), Image(2, 2, 3, "flat")).tolist() == RED.ravel().tolist()
    grey = np.array([[0, 100], [200, 255]], np.uint8)
    for layout, shape in (("HW", (2, 2)), ("HWC", (2, 2, 1)), ("CHW", (1, 2, 2)), ("flat", (4,))):
        assert read(file(grey), Image(2, 2, 1, layout)).tolist() == grey.reshape(shape).tolist()


def test_scale_mean_and_std_per_channel():
    meaning = Image(2, 2, 3, "CHW", scale=1 / 255, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0))
    expected = (RED / 255 - [0.5, 0.25, 0.0]) / [0.5, 0.25, 2.0]
    assert np.allclose(read(file(RED), meaning), expected.transpose(2, 0, 1), atol=1e-6)


@pytest.mark.parametrize("datatype", ["UINT8", "INT64", "FP16", "FP64"])
def test_datatypes_are_rounded_and_kept_in_their_range(datatype):
    assert read(file(RED), Image(2, 2, 3), datatype).tolist() == RED.tolist()
    if datatype == "UINT8":
        assert read(file(RED), Image(2, 2, 3, scale=2.0, mean=(20.0,) * 3), datatype)[0, 0].tolist() == [255, 0, 0]
        assert read(file(RED), Image(2, 2, 3, scale=1 / 16), datatype)[0, 0].tolist() == [16, 0, 0]


def test_colours_become_grey_and_grey_becomes_three_channels():
    assert read(file(RED), Image(2, 2, 1, "HW"))[0, 0] == pytest.approx(76, abs=1)
    assert read(file(np.full((2, 2), 9, np.uint8)), Image(2, 2, 3)).tolist() == np.full((2, 2, 3), 9).tolist()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_a_png_shows_the_same_picture(mode):
    ramp = np.repeat(np.array([[0, 255, 0, 255]], np.uint8), 4, 0)
    wide = mode == "I;16"
    picture = Pillow.fromarray(ramp.astype(np.uint16) * 257) if wide else Pillow.fromarray(ramp).convert(mode)
    assert read(file(picture), Image(4, 4, 1, "HW")).tolist() == ramp.tolist()
    assert read(file(picture), Image(4, 4, 3))[..., 1].tolist() == ramp.tolist()


def test_sixteen_bits_keep_their_middle_tones():
    picture = Pillow.fromarray(np.array([[0, 0x40FF], [0x8000, 0xFFFF]], np.uint16))
    assert read(file(picture), Image(2, 2, 1, "HW")).tolist() == [[0, 0x40], [0x80, 0xFF]]


def test_transparency_shows_white_behind():
    clear = np.zeros((2, 2, 4), np.uint8)
    clear[0, 0] = [10, 20, 30, 255]
    got = read(file(clear), Image(2, 2, 3))
    assert got[0, 0].tolist() == [10, 20, 30]
    assert got[1, 1].tolist() == [255, 255, 255]
    palette = Pillow.fromarray(np.zeros((2, 2), np.uint8)).convert("P")
    assert read(file(palette, transparency=0), Image(2, 2, 3)).tolist() == np.full((2, 2, 3), 255).tolist()


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (1, 1)), (6, (0, 1)), (8, (1, 0)), (2, (0, 1))])
@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_photos_are_turned_upright(orientation, corner, form):
    tags = Pillow.Exif()
    tags[0x0112] = orientation
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, 0] = 255
    options = {"lossless": True} if form == "WEBP" else {}
    got = read(file(picture, form, exif=tags.tobytes(), **options), Image(2, 2, 1, "HW"))
    assert np.argwhere(got > 127).tolist() == [list(corner)]


def drawing(background, ink, box=(20, 20, 30, 80), size=(100, 100), mode="L"):
    picture = Pillow.new(mode, size, background)
    ImageDraw.Draw(picture).rectangle(box, fill=ink)
    return file(picture)


INKS = [
    (drawing(0, 255), "light on dark"),
    (drawing(255, 0), "dark on light"),
    (drawing((0, 0, 0, 0), (0, 0, 0, 255), mode="RGBA"), "dark on nothing"),
    (drawing((255, 255, 255, 0), (0, 0, 0, 255), mode="RGBA"), "dark on transparent white"),
    (drawing((0, 0, 0, 0), (255, 255, 255, 255), mode="RGBA"), "light on nothing"),
    (drawing((255, 255, 255, 255), (200, 0, 0, 255), mode="RGBA"), "red on white"),
]


@pytest.mark.parametrize("ink", ["light", "dark"])
@pytest.mark.parametrize("fit", ["stretch", "ink"])
@pytest.mark.parametrize("data", [data for data, _ in INKS], ids=[name for _, name in INKS])
def test_a_drawing_gets_the_ink_that_the_model_knows(data, ink, fit):
    got = read(data, Image(10, 10, 1, "HW", ink=ink, fit=fit))
    strokes, ground = (got.max(), got[0, 0]) if ink == "light" else (got.min(), got[0, 0])
    assert abs(float(strokes) - float(ground)) > 150
    assert (strokes > ground) == (ink == "light")
    column = 4 if fit == "ink" else 2
    assert abs(float(got[5, column]) - float(ground)) > 150, "the stroke is where it belongs"


def test_a_drawing_is_centred_in_its_proportions():
    got = read(drawing(0, 255, (5, 5, 14, 94)), Image(10, 10, 1, "HW", ink="light", fit="ink")) > 60
    assert got.any(1).sum() == pytest.approx(9, abs=1)
    assert got.any(0).sum() <= 2
    assert got[:, 4:6].any()


@pytest.mark.parametrize("picture", [drawing(0, 0), drawing(255, 255), file(np.zeros((1, 1), np.uint8))])
@pytest.mark.parametrize("ink", [None, "light", "dark"])
@pytest.mark.parametrize("fit", ["stretch", "ink"])
def test_an_empty_drawing_and_one_pixel_are_pictures_too(picture, ink, fit):
    assert read(picture, Image(8, 8, 1, "flat", ink=ink, fit=fit)).shape == (64,)


def bomb(width, height):
    """A PNG of many pixels, all of them 0, in few bytes."""
    row = b"\0" * (1 + (width + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_000, 5_001), (40_000, 40_000)])
def test_pictures_of_too_many_pixels_are_refused_before_they_are_decoded(size):
    data = bomb(size[0], 1)
    data = data[:16] + struct.pack(">II", *size) + data[24:]
    data = data[:29] + struct.pack(">I", zlib.crc32(data[12:29])) + data[33:]
    with pytest.raises(TooLargeError, match=f"the limit is {LARGEST}"):
        read(data, Image(8, 8))


def test_a_thin_drawing_needs_no_huge_canvas():
    picture = Pillow.new("L", (60_000, 3))
    picture.paste(255, (10, 1, 59_990, 2))
    data = file(picture)
    tracemalloc.start()
    begin = time.perf_counter()
    got = read(data, Image(8, 8, 1, "HW", ink="light", fit="ink"))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert got.shape == (8, 8)
    assert time.perf_counter() - begin < 2
    assert most < 50_000_000


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", file(RED)[:40], file(RED)[:-30]])
def test_files_that_are_no_pictures_or_cut_short(data):
    text = refusal(read, data, Image(2, 2, 3))
    assert text.startswith(
        ("the file is not a picture that can be read; send one of PNG", "the picture can't be decoded")
    )


MODEL = Signature((spec(Image(2, 2, 3, "CHW")),), (TensorSpec("y", "FP32", (-1,)),))


def test_pictures_within_json_and_their_pixels():
    encoded = {"b64": base64.b64encode(file(RED)).decode()}
    one = RED.transpose(2, 0, 1).tolist()
    for document in (encoded, [encoded], {"image": encoded}, {"instances": [{"image": encoded}]}, {"inputs": one}):
        assert tensors_from_document(document, MODEL)["image"].tolist() == [one]
    assert tensors_from_document([encoded, encoded], MODEL)["image"].shape == (2, 3, 2, 2)
    assert "not valid base64" in refusal(tensors_from_document, [{"b64": "é"}], MODEL)


def test_pixels_in_another_order_are_not_reshaped_in_silence():
    assert "takes the shape [-1, 3, 2, 2], not [1, 2, 2, 3]" in refusal(tensors_from_document, [RED.tolist()], MODEL)
    flat = Signature((spec(Image(2, 2, 3, "flat")),), MODEL.outputs)
    assert tensors_from_document([RED.tolist()], flat)["image"].tolist() == [RED.ravel().tolist()]
    for grey in (np.arange(4).reshape(2, 2), np.arange(8).reshape(2, 2, 2), np.arange(8).reshape(2, 2, 2, 1)):
        for layout in ("HW", "HWC", "CHW", "flat"):
            model = Signature((spec(Image(2, 2, 1, layout)),), MODEL.outputs)
            got = tensors_from_document(grey.tolist(), model)["image"]
            assert got.ravel().tolist() == grey.ravel().tolist()


@pytest.mark.parametrize("kind", ["image/png", "", "application/octet-stream", "application/x-www-form-urlencoded"])
def test_a_picture_as_the_body(kind):
    assert inputs_from_body(file(RED), kind, MODEL)["image"].shape == (1, 3, 2, 2)


def form(*parts, boundary=b"b"):
    return b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary


PART = b'Content-Disposition: form-data; name="file"; filename="x.png"\r\nContent-Type: image/png\r\n\r\n' + file(RED)
FIELD = b'Content-Disposition: form-data; name="comment"\r\n\r\nhello'


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        ("multipart/form-data; boundary=b", b"b"),
        ('Multipart/Form-Data; charset=x; Boundary="b b"', b"b b"),
        ('multipart/form-data; boundary="a\\"b"', b'a"b'),
        ("multipart/form-data;boundary=----WebKitFormBoundaryX;x=y", b"----WebKitFormBoundaryX"),
    ],
)
def test_a_picture_as_the_one_file_of_a_form(kind, boundary):
    for whole in (form(PART, boundary=boundary), b"preamble\r\n" + form(FIELD, PART, boundary=boundary) + b"epilogue"):
        assert inputs_from_body(whole, kind, MODEL)["image"].tolist() == [RED.transpose(2, 0, 1).tolist()]


FORMS = [
    (form(PART, PART), "the form has 2 files; send exactly one"),
    (form(), "the form has 0 files; send exactly one"),
    (b"", "the form is not valid multipart/form-data: its boundary does not occur in the body"),
    (form(PART)[:-10], "the form is cut short: it lacks the boundary that ends it"),
    (b"--b\r\nno headers", "the form is not valid multipart/form-data: a part lacks its headers"),
    (form(*[FIELD] * 65), "the form has more than 64 parts; send exactly one file"),
    (form(b"X: " + b"y" * 10_000 + b"\r\n\r\n"), "the form is not valid multipart/form-data: a part lacks its headers"),
]


@pytest.mark.parametrize(("raw", "text"), FORMS, ids=[text[:40] for _, text in FORMS])
def test_forms_that_are_refused(raw, text):
    assert refusal(inputs_from_body, raw, "multipart/form-data; boundary=b", MODEL) == text


def test_a_form_without_a_boundary_and_one_of_a_million_parts():
    assert "lacks its boundary" in refusal(inputs_from_body, b"", "multipart/form-data", MODEL)
    begin = time.perf_counter()
    assert "64 parts" in refusal(
        inputs_from_body, b"--b\r\n\r\n\r\n" * 2_000_000, "multipart/form-data; boundary=b", MODEL
    )
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("size", [(512, 256), (100, 301), (256, 256), (224, 224)])
def test_the_middle_is_cut_out_as_models_of_imagenet_take_it(size):
    random = np.random.default_rng(0)
    picture = Pillow.fromarray(random.integers(0, 256, (size[1], size[0], 3), np.uint8))
    meaning = Image(224, 224, 3, "CHW", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), fit="crop")
    given = picture_tensor(file(picture), meaning, TensorSpec("x", "FP32", (-1, 3, 224, 224), meaning))
    width, height = (int(256 * side / min(size)) for side in size)
    larger = picture.resize((width, height), Pillow.Resampling.BILINEAR)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    pixels = np.asarray(larger.crop((left, top, left + 224, top + 224)), np.float64) / 255
    expected = ((pixels - meaning.mean) / meaning.std).transpose(2, 0, 1)[np.newaxis]
    assert given.shape == (1, 3, 224, 224)
    assert np.allclose(given, expected, atol=1e-5)


def test_a_picture_that_is_too_long_to_be_cut_is_refused():
    meaning = Image(224, 224, 3, fit="crop")
    with pytest.raises(TooLargeError, match="too long to be cut to its middle"):
        picture_tensor(file(Pillow.new("RGB", (3000, 1))), meaning, TensorSpec("x", "FP32", (-1, 224, 224, 3), meaning))
