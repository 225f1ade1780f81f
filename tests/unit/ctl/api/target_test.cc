#include "ctl/api/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(Target, IsTakenApartAndDecoded) {
    const auto target = parse_target("/api/v1/services/a%20b%2Fc?wait=5s&x=%3D&flag");
    ASSERT_TRUE(target);
    EXPECT_THAT(target->segments, ElementsAre("api", "v1", "services", "a b/c"));
    EXPECT_THAT(target->query, ElementsAre(Pair("flag", ""), Pair("wait", "5s"), Pair("x", "=")));
}

TEST(Target, TheRootHasNoSegments) {
    EXPECT_THAT(parse_target("/")->segments, IsEmpty());
    EXPECT_THAT(parse_target("/?a=b")->segments, IsEmpty());
    EXPECT_THAT(parse_target("/?a=b")->query, ElementsAre(Pair("a", "b")));
}

TEST(Target, EmptySegmentsStay) {
    EXPECT_THAT(parse_target("//a/")->segments, ElementsAre("", "a", ""));
}

TEST(Target, WhatIsNoPathIsRefused) {
    for (const char* text :
         {"", "a", "*", "http://x/", "/%", "/%2", "/%zz", "/%00", "/a?x=%", "/a?%g0=1"}) {
        EXPECT_FALSE(parse_target(text)) << text;
    }
}

}  // namespace
}  // namespace fairlead::api
