/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/buf.h"
#include "base/encode.h"
#include "crypto/jws.h"

/* RFC 7515 appendices A.2 (RS256) and A.3 (ES256), and two that another library signed: keys, texts, signatures. */
static const struct {
    const char *alg, *curve, *a, *b, *text, *signature;
} vectors[] = {
    { "RS256", NULL,
      "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
      "4qPCJrcS2mJPMEzP1Pt0Bm4d4"
      "QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"
      "bSf63kpaSHSXndS5z5rexMd"
      "bBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_"
      "I5IhlJH7aGhyxXFvUK"
      "-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
      "AQAB",
      "eyJhbGciOiJSUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
      "bS9pc19yb290Ijp0cnVlfQ",
      "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
      "O8W2Fp5ju"
      "jGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
      "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L0"
      "7Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
      "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUi"
      "pUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw" },
    { "ES256", "P-256", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
      "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
      "eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
      "bS9pc19yb290Ijp0cnVlfQ",
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q" },
    { "ES384", "P-384", "bZ4wls6p0dQ4bwxpmutADcFQDKXwA3x-uizde6Pj7vb6weXSxs6E7tmysH2VPfIc",
      "h5xWOD0_41nE-gx35vVkE-qpDhZXzQhAYIlvS2Ccz286OEXkcTezu_4IwpQC6RlY",
      "eyJhbGciOiJFUzM4NCJ9.UGF5bG9hZA",
      "L0NVO3N0hiR5jV4llODXSrofzpKBpg_VF3wj7S23Z_ukrDEPWh6N8T8jupljjrEJ0K5OWLG5ctS_s3OBjnqtFzQZd7N5"
      "x-JMz06O4i_MoRXwEZC0Kns9iRJ9zlrDh-mF" },
    { "ES512", "P-521",
      "AB_w1AiDQIorhdeb4FJpbM5q9BH_nOrhHVyA3FbaAGZemJG0ID1MgOzBUQWbrYD-wZOu_0AvBdvoOp_b5YVOQeg5",
      "AKx_20T9icqhSEtLQr0UVkA_FpSvSJlJsSF11HgTShBVmzHCcQOfZFz7GMC8bOSkIGuGWPH-wWiGalVG4YqF8fO3",
      "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA",
      "AeYPyecuTid5oi7U39wcYPVg94sq6lnMk21zlwOOzQnP611LD237Ev7GMc3fVQUzS-NI9TuJneBPv6fIzYu9uil0AOry"
      "C6KEFZEu_FLTGnwrqantf9WaAzVErATq5wcohu-p5mPQS1HY55urnmN9aYECGZHAENltTFbp6pclpb-6hI-T" },
};

struct loaded {
    struct pn_buf a, b, signature;
    struct pn_jws_key *key;
};

static struct loaded load(size_t i)
{
    struct loaded l = { pn_buf_init(2048), pn_buf_init(2048), pn_buf_init(2048), NULL };
    struct pn_err err = { 0 };
    bool done;

    CHECK(pn_base64url_decode(pn_str_from(vectors[i].a), &l.a));
    CHECK(pn_base64url_decode(pn_str_from(vectors[i].b), &l.b));
    CHECK(pn_base64url_decode(pn_str_from(vectors[i].signature), &l.signature));
    done = vectors[i].curve == NULL
               ? pn_jws_key_rsa(pn_buf_str(&l.a), pn_buf_str(&l.b), &l.key, &err)
               : pn_jws_key_ec(pn_str_from(vectors[i].curve), pn_buf_str(&l.a), pn_buf_str(&l.b),
                               &l.key, &err);
    CHECK_OK(done, err);
    return l;
}

static void unload(struct loaded *l)
{
    pn_buf_drop(&l->a);
    pn_buf_drop(&l->b);
    pn_buf_drop(&l->signature);
    pn_jws_key_free(l->key);
}

PN_TEST(signatures_of_the_rfc)
{
    for (size_t i = 0; i < PN_COUNT(vectors); i++) {
        struct loaded l = load(i);

        CHECK(pn_jws_verify(l.key, pn_str_from(vectors[i].alg), pn_str_from(vectors[i].text),
                            pn_buf_str(&l.signature)));
        unload(&l);
    }
}

PN_TEST(anything_else_is_no_signature)
{
    static const char *const others[] = {
        "none", "HS256", "RS512", "ES256K", "", "PS256", "rs256"
    };

    for (size_t i = 0; i < PN_COUNT(vectors); i++) {
        struct loaded l = load(i);
        struct pn_str text = pn_str_from(vectors[i].text), alg = pn_str_from(vectors[i].alg);

        for (size_t k = 0; k < PN_COUNT(others); k++)
            CHECK(!pn_jws_verify(l.key, pn_str_from(others[k]), text, pn_buf_str(&l.signature)));
        CHECK(
            !pn_jws_verify(l.key, alg, pn_str_slice(text, 1, text.len), pn_buf_str(&l.signature)));
        CHECK(!pn_jws_verify(l.key, alg, text, PN_NONE));
        CHECK(!pn_jws_verify(l.key, alg, text, pn_str_slice(pn_buf_str(&l.signature), 0, 63)));
        l.signature.ptr[l.signature.len - 1] ^= 1;
        CHECK(!pn_jws_verify(l.key, alg, text, pn_buf_str(&l.signature)));
        memset(l.signature.ptr, 0, l.signature.len); /* r = s = 0 */
        CHECK(!pn_jws_verify(l.key, alg, text, pn_buf_str(&l.signature)));
        unload(&l);
    }
}

PN_TEST(what_is_no_key)
{
    struct pn_jws_key *key;
    struct pn_err err = { 0 };
    char zeros[256] = { 0 }, ones[256];

    memset(ones, 0xff, sizeof(ones));
    CHECK_FAILS(pn_jws_key_rsa(PN_NONE, PN_NONE, &key, &err), err, BAD_REQUEST);
    CHECK_FAILS(pn_jws_key_rsa(pn_str_of(ones, 128), PN_LIT("\x01\x00\x01"), &key, &err), err,
                BAD_REQUEST); /* 1024 bits */
    CHECK_FAILS(pn_jws_key_rsa(pn_str_of(ones, 256), PN_LIT("\x01"), &key, &err), err, BAD_REQUEST);
    CHECK_FAILS(
        pn_jws_key_ec(PN_LIT("P-256"), pn_str_of(zeros, 32), pn_str_of(zeros, 32), &key, &err), err,
        BAD_REQUEST); /* not on the curve */
    CHECK_FAILS(
        pn_jws_key_ec(PN_LIT("P-256"), pn_str_of(ones, 31), pn_str_of(ones, 32), &key, &err), err,
        BAD_REQUEST);
    CHECK_FAILS(
        pn_jws_key_ec(PN_LIT("secp256k1"), pn_str_of(ones, 32), pn_str_of(ones, 32), &key, &err),
        err, BAD_REQUEST);
    pn_jws_key_free(NULL);
}

PN_TEST_MAIN(T(signatures_of_the_rfc), T(anything_else_is_no_signature), T(what_is_no_key))
