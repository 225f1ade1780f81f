#include "ctl/model/overrides_text.h"

#include <array>

#include <gtest/gtest.h>

#include "tests/unit/ctl/model/example.h"

namespace fairlead::model {
namespace {

Kept full_example() {
    BackendOverrides changed;
    changed.admin = AdminOverride{Admin::kDrain, by_root("a \"quoted\"\nreason")};
    changed.weight = WeightOverride{0, 10, by_root()};
    BackendOverrides replaced;
    replaced.addition = Addition{ip("2001:db8::3"), 256, by_root()};
    replaced.removal =
        Removal{ip("10.0.4.2"), 20, MacAddress::parse("02:00:00:00:04:02"), by_root()};
    replaced.removal->admin = AdminOverride{Admin::kMaint, by_root("its disk is dead")};
    BackendOverrides runtime;
    runtime.weight = WeightOverride{4, {}, by_root()};
    runtime.addition = Addition{ip("10.0.4.3"), 1, by_root()};
    return {.overrides = {{{"portal", "app-1"}, changed},
                          {{"portal", "app-2"}, replaced},
                          {{"portal", "app-3"}, runtime}},
            .node = AdminOverride{Admin::kDrain, by_root("new power supply")}};
}

// As earlier versions wrote it.
std::string old_file(const Kept& kept) {
    std::string text = R"({"format": 1, "backends": [)";
    for (const auto& [key, entry] : kept.overrides) {
        text += (text.back() == '[' ? "" : ", ") + std::string(R"({"service": ")") + key.service +
                R"(", "backend": ")" + key.name + R"(", )" + write_entry(entry).substr(1);
    }
    return text + "]" + (kept.node ? R"(, "node": )" + write_admin(*kept.node) : "") + "}";
}

TEST(OverridesText, GivesBackWhatWasKept) {
    for (const auto& [key, entry] : full_example().overrides) {
        const auto read = read_entry(write_entry(entry));
        ASSERT_TRUE(read) << key.name;
        EXPECT_EQ(*read, entry) << key.name;
    }
    BackendOverrides orphaned = full_example().overrides.begin()->second;
    orphaned.is_orphaned = true;
    EXPECT_EQ(*read_entry(write_entry(orphaned)), orphaned);
    EXPECT_EQ(*read_admin(write_admin(*full_example().node)), *full_example().node);
    EXPECT_EQ(write_entry({}), "");
}

TEST(OverridesText, WhatANewerVersionWroteIsKept) {
    BackendOverrides entry;
    entry.admin = AdminOverride{Admin::kDrain, by_root()};
    const std::string former = R"({"until": "2027-01-01", "weight": {"value": 3}})";
    const std::string text = write_entry(entry, former);
    EXPECT_NE(text.find(R"("until":"2027-01-01")"), std::string::npos) << text;
    EXPECT_EQ(text.find("weight"), std::string::npos) << "what it knows is as it is now: " << text;
    EXPECT_EQ(*read_entry(text), entry);
    EXPECT_EQ(write_entry({}, text), R"({"until":"2027-01-01"})");
    EXPECT_EQ(write_entry({}, "no JSON"), "");
}

TEST(OverridesText, TheFileOfAnEarlierVersionIsRead) {
    const auto read = read_overrides(old_file(full_example()));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->kept, full_example());
    EXPECT_TRUE(read->problems.empty());
}

TEST(OverridesText, OneBadEntryCostsThatEntryAlone) {
    std::string text = old_file(full_example());
    const std::size_t drain = text.find(R"("value":"drain")");
    ASSERT_NE(drain, std::string::npos);
    text.replace(drain, 15, R"("value":"sleep")");
    const auto read = read_overrides(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->kept.overrides.size(), 2);
    EXPECT_FALSE(read->kept.overrides.contains({"portal", "app-1"}));
    ASSERT_EQ(read->problems.size(), 1);
    EXPECT_NE(read->problems[0].find("app-1"), std::string::npos) << read->problems[0];
    EXPECT_NE(read->problems[0].find("none of ready, drain, maint"), std::string::npos);
}

TEST(OverridesText, EveryTruncationIsAnError) {
    const std::string whole = old_file(full_example());
    ASSERT_TRUE(read_overrides(whole));
    for (std::size_t size = 0; size + 2 < whole.size(); ++size) {
        EXPECT_FALSE(read_overrides(whole.substr(0, size))) << size;
    }
}

TEST(OverridesText, WrongValuesAreErrors) {
    const auto wrong = std::to_array<const char*>({
        "[]",
        "null",
        R"({"format": 2, "backends": []})",
        R"({"format": 1})",
    });
    for (const char* text : wrong) {
        EXPECT_FALSE(read_overrides(text)) << text;
    }
    const auto wrong_entries = std::to_array<const char*>({
        "",
        "1",
        "[]",
        R"({"admin": 1})",
        R"({"admin": {"value": "off", "by": "", "at": "", "reason": ""}})",
        R"({"weight": {"value": 257, "by": "", "at": "", "reason": ""}})",
        R"({"weight": {"value": -1, "by": "", "at": "", "reason": ""}})",
        R"({"added": {"weight": 1, "address": "10.0.0", "by": "", "at": "", "reason": ""}})",
    });
    for (const char* text : wrong_entries) {
        EXPECT_FALSE(read_entry(text)) << text;
        const auto read =
            read_overrides(R"({"format": 1, "backends": [)" + std::string(text) + "]}");
        EXPECT_TRUE(!read || read->problems.size() == 1 || *text == '\0') << text;
    }
    EXPECT_FALSE(read_overrides(R"({"format": 1, "backends": [], "node": {"value": "away"}})"));
    EXPECT_TRUE(read_overrides(R"({"format": 1, "backends": []})"));
}

}  // namespace
}  // namespace fairlead::model
