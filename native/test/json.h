// A small JSON reader for the test runner: cases files and safetensors headers. Throws std::runtime_error with the offset.
#pragma once
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace a2s::test {

struct Json {
  enum class Type { null, boolean, number, string, array, object } type = Type::null;
  double number = 0;
  std::string string;
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> members;

  const Json* find(const std::string& key) const {
    for (auto& [k, v] : members)
      if (k == key) return &v;
    return nullptr;
  }
  bool is(Type t) const { return type == t; }
  bool truthy() const { return type == Type::boolean && number != 0; }
  double num(const std::string& key, double fallback) const {
    const Json* v = find(key);
    return v ? v->number : fallback;
  }
  std::string str(const std::string& key) const {
    const Json* v = find(key);
    return v ? v->string : "";
  }
};

class JsonReader {
 public:
  explicit JsonReader(const std::string& text) : s_(text) {}
  Json read() {
    Json v = value();
    space();
    if (i_ != s_.size()) error("trailing text");
    return v;
  }

 private:
  [[noreturn]] void error(const char* what) { throw std::runtime_error("json: " + std::string(what) + " at " + std::to_string(i_)); }
  void space() {
    while (i_ < s_.size() && std::isspace(static_cast<unsigned char>(s_[i_]))) ++i_;
  }
  bool take(char c) {
    space();
    if (i_ < s_.size() && s_[i_] == c) return ++i_, true;
    return false;
  }
  void expect(char c) {
    if (!take(c)) error("unexpected character");
  }
  std::string text() {
    expect('"');
    std::string out;
    while (i_ < s_.size() && s_[i_] != '"') {
      if (s_[i_] != '\\') {
        out += s_[i_++];
        continue;
      }
      char c = s_[++i_];
      if (c == 'u') {  // the runner's files are ASCII; anything else is kept as '?'
        i_ += 5;
        out += '?';
        continue;
      }
      out += c == 'n' ? '\n' : c == 't' ? '\t' : c;
      ++i_;
    }
    expect('"');
    return out;
  }
  Json value() {
    space();
    if (i_ >= s_.size()) error("unexpected end");
    Json v;
    char c = s_[i_];
    if (c == '{') {
      ++i_, v.type = Json::Type::object;
      if (take('}')) return v;
      do {
        space();
        std::string key = text();
        expect(':');
        v.members.emplace_back(key, value());
      } while (take(','));
      expect('}');
    } else if (c == '[') {
      ++i_, v.type = Json::Type::array;
      if (take(']')) return v;
      do v.items.push_back(value());
      while (take(','));
      expect(']');
    } else if (c == '"') {
      v.type = Json::Type::string, v.string = text();
    } else if (s_.compare(i_, 4, "true") == 0) {
      i_ += 4, v.type = Json::Type::boolean, v.number = 1;
    } else if (s_.compare(i_, 5, "false") == 0) {
      i_ += 5, v.type = Json::Type::boolean;
    } else if (s_.compare(i_, 4, "null") == 0) {
      i_ += 4;
    } else {
      char* end = nullptr;
      v.type = Json::Type::number, v.number = std::strtod(s_.c_str() + i_, &end);
      if (end == s_.c_str() + i_) error("unexpected character");
      i_ = end - s_.c_str();
    }
    return v;
  }
  const std::string& s_;
  size_t i_ = 0;
};

inline std::string read_file(const std::string& path) {
  std::ifstream f(path, std::ios::binary);
  if (!f) throw std::runtime_error(path + ": cannot be read");
  std::stringstream s;
  s << f.rdbuf();
  return s.str();
}

inline Json parse_json(const std::string& text) { return JsonReader(text).read(); }

}  // namespace a2s::test
