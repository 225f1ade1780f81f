#include "ctl/model/overrides_file.h"

#include <array>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/unit/ctl/model/example.h"

namespace fairlead::model {
namespace {

namespace fs = std::filesystem;

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

class OverridesFile : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "fairlead-overrides-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory_ = name;
    }
    void TearDown() override { fs::remove_all(directory_); }

    [[nodiscard]] fs::path file() const { return fs::path(directory_) / kOverridesFile; }
    void write(const std::string& text) const { std::ofstream(file()) << text; }

    std::string directory_;
};

TEST_F(OverridesFile, GivesBackWhatWasKept) {
    ASSERT_TRUE(save_overrides(directory_, full_example()));
    const auto loaded = load_overrides(directory_);
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->kept, full_example());
    EXPECT_EQ(loaded->problem, "");
    EXPECT_EQ(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()), 1)
        << "no temporary file is left";
}

TEST_F(OverridesFile, AMissingFileIsAnEmptyOne) {
    const auto loaded = load_overrides(directory_);
    ASSERT_TRUE(loaded);
    EXPECT_TRUE(loaded->kept.overrides.empty());
    EXPECT_EQ(loaded->problem, "");
}

TEST_F(OverridesFile, AHalfWrittenFileIsMovedAsideAndNeverBelieved) {
    const std::string whole = write_overrides(full_example());
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, whole.size() / 2}) {
        write(whole.substr(0, size));
        const auto loaded = load_overrides(directory_);
        ASSERT_TRUE(loaded) << size;
        EXPECT_TRUE(loaded->kept.overrides.empty()) << size;
        EXPECT_NE(loaded->problem.find("moved to"), std::string::npos) << size;
        EXPECT_FALSE(fs::exists(file())) << size;
    }
    EXPECT_FALSE(fs::is_empty(directory_)) << "what was there is kept for people";
}

TEST(OverridesText, EveryTruncationIsAnError) {
    const std::string whole = write_overrides(full_example());
    ASSERT_TRUE(read_overrides(whole));
    for (std::size_t size = 0; size + 2 < whole.size(); ++size) {
        EXPECT_FALSE(read_overrides(whole.substr(0, size))) << size;
    }
}

TEST_F(OverridesFile, ACrashBeforeTheRenameLeavesTheOldText) {
    ASSERT_TRUE(save_overrides(directory_, full_example()));
    std::ofstream(file().string() + ".new") << "{\"format\": 1, \"backen";
    const auto loaded = load_overrides(directory_);
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->kept, full_example());
    ASSERT_TRUE(save_overrides(directory_, {}));
    EXPECT_TRUE(load_overrides(directory_)->kept.overrides.empty());
}

TEST_F(OverridesFile, AnUnwritableDirectoryIsAnError) {
    const Status saved = save_overrides(directory_ + "/missing", full_example());
    ASSERT_FALSE(saved);
    EXPECT_NE(saved.error().message.find("missing/overrides.json"), std::string::npos);
}

TEST(OverridesText, WrongValuesAreErrors) {
    const auto wrong = std::to_array<const char*>({
        "[]",
        "null",
        R"({"format": 2, "backends": []})",
        R"({"format": 1})",
        R"({"format": 1, "backends": [1]})",
        R"({"format": 1, "backends": [{"service": "s", "backend": "b", "admin": {"value": "off",
            "by": "", "at": "", "reason": ""}}]})",
        R"({"format": 1, "backends": [{"service": "s", "backend": "b", "weight": {"value": 257,
            "by": "", "at": "", "reason": ""}}]})",
        R"({"format": 1, "backends": [{"service": "s", "backend": "b", "weight": {"value": -1,
            "by": "", "at": "", "reason": ""}}]})",
        R"({"format": 1, "backends": [{"service": "s", "backend": "b", "added": {"weight": 1,
            "address": "10.0.0", "by": "", "at": "", "reason": ""}}]})",
    });
    for (const char* text : wrong) {
        EXPECT_FALSE(read_overrides(text)) << text;
    }
    EXPECT_FALSE(read_overrides(R"({"format": 1, "backends": [], "node": {"value": "away"}})"));
    EXPECT_TRUE(read_overrides(R"({"format": 1, "backends": []})"));
}

}  // namespace
}  // namespace fairlead::model
